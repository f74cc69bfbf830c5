/**
 * The program of the page, as text: it runs in browsers. It shows the document that stands beside the page, and sends requests. All
 * that comes from a document or a response becomes text nodes: nothing of it is ever read as HTML.
 */
export const pageScript = String.raw`
const make = (tag, properties, ...children) => {
  const made = Object.assign(document.createElement(tag), properties)
  made.append(...children.filter((child) => child !== null && child !== ''))
  return made
}
const show = (value) => JSON.stringify(value, null, 2)
let api
const secrets = {}

const nameOf = ($ref) => decodeURIComponent($ref.split('/').at(-1))
const resolve = (schema) => {
  for (let count = 0; schema && schema.$ref && count < 20; count++) {
    schema = schema.$ref.split('/').slice(1).reduce((found, key) => found && found[decodeURIComponent(key).replaceAll('~1', '/').replaceAll('~0', '~')], api)
  }
  return schema ?? {}
}

/** A schema as text, in the manner of a type. */
const typeText = (schema, indent = '') => {
  if (schema === undefined || schema === true) return 'any'
  if (schema === false) return 'never'
  if (schema.$ref) return nameOf(schema.$ref)
  if ('const' in schema) return JSON.stringify(schema.const)
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(' | ')
  const parts = schema.anyOf ?? schema.oneOf
  if (parts) return parts.map((part) => typeText(part, indent)).join(' | ')
  if (schema.allOf && !schema.type) return schema.allOf.map((part) => typeText(part, indent)).join(' & ')
  const deeper = indent + '  '
  if (schema.type === 'array') return schema.prefixItems ? '[' + schema.prefixItems.map((part) => typeText(part, indent)).join(', ') + ']' : 'array of ' + typeText(schema.items, indent)
  if (schema.properties || schema.type === 'object') {
    const lines = Object.entries(schema.properties ?? {}).map(([name, part]) => {
      const remark = part.description ? '   // ' + part.description.replaceAll('\n', ' ') : ''
      return deeper + name + ((schema.required ?? []).includes(name) ? ': ' : '?: ') + typeText(part, deeper) + remark + '\n'
    })
    if (schema.additionalProperties && schema.additionalProperties !== true) lines.push(deeper + '[name]: ' + typeText(schema.additionalProperties, deeper) + '\n')
    return lines.length ? '{\n' + lines.join('') + indent + '}' : 'object'
  }
  const limits = ['format', 'pattern', 'minimum', 'exclusiveMinimum', 'maximum', 'exclusiveMaximum', 'multipleOf', 'minLength', 'maxLength', 'default']
    .filter((key) => key in schema && Math.abs(schema[key]) !== Number.MAX_SAFE_INTEGER).map((key) => key + ' ' + JSON.stringify(schema[key]))
  return [[schema.type ?? 'any'].flat().join(' | '), ...limits].join(', ')
}

/** A value to start from. */
const example = (given, depth = 0) => {
  const schema = resolve(given)
  for (const key of ['default', 'const', 'example']) if (key in schema) return schema[key]
  if (schema.examples || schema.enum) return (schema.examples ?? schema.enum)[0]
  const part = (schema.anyOf ?? schema.oneOf ?? schema.allOf ?? [])[0]
  if (part !== undefined && depth < 8) return example(part, depth + 1)
  switch ([schema.type].flat()[0]) {
    case 'string': return ''
    case 'boolean': return false
    case 'integer': case 'number': return schema.minimum ?? (schema.exclusiveMinimum ?? -1) + 1
    case 'array': return depth < 8 && schema.minItems > 0 ? [example(schema.items, depth + 1)] : []
    case 'object': return depth < 8 ? Object.fromEntries(Object.entries(schema.properties ?? {}).map(([name, one]) => [name, example(one, depth + 1)])) : {}
    default: return null
  }
}

/** Adds what a client must have, as far as it was typed in. */
const authorize = (operation, headers, query) => {
  for (const name of (operation.security ?? api.security ?? []).flatMap((one) => Object.keys(one))) {
    const scheme = api.components.securitySchemes[name]
    const secret = secrets[name]
    if (!secret) continue
    if (scheme.type === 'apiKey' && scheme.in === 'header') headers.set(scheme.name, secret)
    else if (scheme.type === 'apiKey' && scheme.in === 'query') query.append(scheme.name, secret)
    else if (scheme.scheme === 'basic') headers.set('Authorization', 'Basic ' + btoa(String.fromCharCode(...new TextEncoder().encode(secret))))
    else headers.set('Authorization', 'Bearer ' + secret)
  }
}

const send = async (method, path, operation, fields, body, output) => {
  output.textContent = '…'
  try {
    const query = new URLSearchParams()
    const headers = new Headers()
    for (const { parameter, input } of fields) {
      const segments = (parameter.name === '*' ? input.value.split('/') : [input.value]).map(encodeURIComponent)
      if (parameter.in === 'path') path = path.replace('{' + parameter.name + '}', () => segments.join('/'))
      else if (parameter.schema.type === 'array') for (const line of input.value.split('\n')) line && query.append(parameter.name, line)
      else if (input.value !== '') query.append(parameter.name, input.value)
    }
    // The browser sets the type of forms.
    if (body?.input) headers.set('Content-Type', body.type)
    authorize(operation, headers, query)
    const base = new URL(api.servers?.[0]?.url ?? '/', documentUrl).href.replace(/\/$/, '')
    const url = base + path + (query.size > 0 ? '?' + query : '')
    const response = await fetch(url, { method: method.toUpperCase(), headers, body: body?.input?.value ?? (body ? formOf(body) : undefined) })
    let text = await response.text()
    try { text = show(JSON.parse(text)) } catch {}
    output.textContent = [response.status + ' ' + response.statusText, ...Array.from(response.headers, ([name, value]) => name + ': ' + value), '', text.slice(0, 100_000)].join('\n')
  } catch (error) {
    output.textContent = String(error)
  }
}

/** The form that was filled in; what was left empty is left out. */
const formOf = ({ type, inputs }) => {
  const form = type === 'multipart/form-data' ? new FormData() : new URLSearchParams()
  for (const { name, value, files } of inputs) for (const one of files ?? [value]) if (one !== '') form.append(name, one)
  return form
}

/** What the content of a request is typed into: one text, or the fields of a form. */
const bodyOf = (type, schema) => {
  if (!/form/.test(type)) return { type, input: make('textarea', { name: 'body', rows: 8, value: show(example(schema)) }) }
  const fields = Object.entries(resolve(schema).properties ?? {})
  return { type, inputs: fields.map(([name, part]) => make('input', { name, type: /binary/.test(JSON.stringify(part)) ? 'file' : 'text', multiple: true })) }
}

const contentText = (content) => Object.entries(content ?? {}).map(([type, { schema }]) => type + ': ' + typeText(schema)).join('\n')

const operationBox = (path, method, operation) => {
  const fields = (operation.parameters ?? []).map((parameter) => ({ parameter, input: make(parameter.schema.type === 'array' ? 'textarea' : 'input', { name: parameter.name, placeholder: parameter.required ? 'required' : '' }) }))
  const [[type, media] = []] = Object.entries(operation.requestBody?.content ?? {})
  const body = type ? bodyOf(type, media.schema) : null
  const output = make('pre', { className: 'result' })
  const form = make('form', { onsubmit: (event) => { event.preventDefault(); send(method, path, operation, fields, body, output) } },
    ...fields.map(({ parameter, input }) => make('label', {}, make('code', {}, parameter.name), ' ' + parameter.in + ', ' + typeText(parameter.schema) + ' ', make('small', {}, parameter.description ?? ''), input)),
    body && make('label', {}, make('code', {}, type), make('pre', {}, typeText(media.schema)), body.input ?? ''),
    ...(body?.inputs ?? []).map((input) => make('label', {}, make('code', {}, input.name), input)),
    make('button', {}, 'Send'))
  const responses = Object.entries(operation.responses ?? {}).map(([status, { description, content }]) => make('li', {}, make('b', {}, status), ' ' + description, content ? make('pre', {}, contentText(content)) : ''))
  return make('details', { id: operation.operationId, className: operation.deprecated ? 'deprecated' : '' },
    make('summary', {}, make('b', { className: 'method' }, method.toUpperCase()), ' ', make('code', {}, path), ' ' + (operation.summary ?? '')),
    make('p', {}, operation.description ?? ''), form, output, make('h4', {}, 'Responses'), make('ul', {}, ...responses))
}

const documentUrl = new URL(document.querySelector('link[rel=service-desc]').href)
fetch(documentUrl).then((response) => response.json()).then((found) => {
  api = found
  document.title = api.info.title
  const operations = Object.entries(api.paths).flatMap(([path, item]) => Object.entries(item).map(([method, operation]) => ({ path, method, operation })))
  const tags = [...new Set([...(api.tags ?? []).map(({ name }) => name), ...operations.flatMap(({ operation }) => operation.tags ?? [])]), null]
  const schemes = Object.entries(api.components?.securitySchemes ?? {}).filter(([, scheme]) => scheme.in !== 'cookie')
  document.querySelector('main').replaceChildren(
    make('h1', {}, api.info.title + ' ', make('small', {}, api.info.version)), make('p', {}, api.info.description ?? ''),
    ...schemes.map(([name]) => make('label', {}, make('code', {}, name), make('input', { type: 'password', autocomplete: 'off', oninput: (event) => { secrets[name] = event.target.value } }))),
    ...tags.flatMap((tag) => {
      const boxes = operations.filter(({ operation }) => tag === null ? !operation.tags?.length : operation.tags?.includes(tag)).map(({ path, method, operation }) => operationBox(path, method, operation))
      const told = (api.tags ?? []).find(({ name }) => name === tag)
      return boxes.length ? [make('h2', {}, tag ?? 'Operations'), make('p', {}, told?.description ?? ''), ...boxes] : []
    }),
    make('h2', {}, 'Schemas'),
    ...Object.entries(api.components?.schemas ?? {}).map(([name, schema]) => make('details', {}, make('summary', {}, name), make('p', {}, schema.description ?? ''), make('pre', {}, typeText(schema)))))
  document.documentElement.dataset.state = 'ready'
}).catch((error) => { document.querySelector('main').textContent = 'The document cannot be shown: ' + error })
`
