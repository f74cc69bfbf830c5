/** A path of a route as OpenAPI has it. */
export interface PathTemplate {
  /** With parameters in braces: `/todos/{id}`. */
  readonly template: string
  readonly params: readonly PathParam[]
  /** As a part of a name: `TodosById`. */
  readonly name: string
  /** The parameter that may be missing, if this is the template without it; else null. */
  readonly lacks: string | null
}

/** A parameter of a path. */
export interface PathParam {
  /** `*` for what a wildcard fits, slashes included. */
  readonly name: string
  /** The regular expression that its value has to fit; null if there is none. */
  readonly pattern: string | null
}

type Part = string | PathParam

/** The templates of the path of a route: two if its last parameter may be missing, since those of OpenAPI never are. */
export function templatesOf(path: string): PathTemplate[] {
  if (!path.endsWith('?')) return [templateOf(partsOf(path), null)]
  const parts = partsOf(path.slice(0, -1))
  const [before, missing] = parts.slice(-2)
  const without = [...parts.slice(0, -2), String(before).replace(/\/$/, '')]
  return [templateOf(without, (missing as PathParam).name), templateOf(parts, null)]
}

function templateOf(parts: readonly Part[], lacks: string | null): PathTemplate {
  const template = parts.map((part) => typeof part === 'string' ? part : `{${part.name}}`).join('')
  return { template: template === '' ? '/' : template, params: parts.filter((part) => typeof part !== 'string'), name: nameOf(parts), lacks }
}

function nameOf(parts: readonly Part[]): string {
  return capitalized(parts.flatMap((part) => {
    if (typeof part === 'string') return part.split(/[^A-Za-z0-9]+/)
    return part.name === '*' ? ['Rest'] : ['By', part.name]
  }).join(' '))
}

/** A name of the words of a text, each with a capital. */
export function capitalized(text: string): string {
  return text.split(/[^A-Za-z0-9]+/).map((word) => word.slice(0, 1).toUpperCase() + word.slice(1)).join('')
}

/** The fixed texts and the parameters of a path that `routes` has accepted. */
function partsOf(path: string): Part[] {
  const parts: Part[] = []
  let text = ''
  const add = (param: PathParam): void => {
    parts.push(text, param)
    text = ''
  }
  for (let at = 0; at < path.length;) {
    if (path.startsWith('::', at)) {
      text += ':'
      at += 2
    } else if (path[at] === ':') {
      const [name] = /^[^/.(-]*/.exec(path.slice(at + 1)) ?? ['']
      const end = at + 1 + name.length
      at = path[end] === '(' ? closing(path, end) + 1 : end
      add({ name, pattern: at === end ? null : anchored(path.slice(end + 1, at - 1)) })
    } else if (path[at] === '*' && at === path.length - 1) {
      add({ name: '*', pattern: null })
      at++
    } else {
      text += path[at++]
    }
  }
  return text === '' ? parts : [...parts, text]
}

/** Where the parenthesis that opens at `start` is closed. */
function closing(path: string, start: number): number {
  let depth = 0
  for (let at = start; at < path.length; at++) {
    if (path[at] === '\\') at++
    else if (path[at] === '(') depth++
    else if (path[at] === ')' && --depth === 0) return at
  }
  return path.length
}

/** The whole value has to fit, with `^` and `$` or without, as in find-my-way. */
function anchored(pattern: string): string {
  const inner = pattern.replace(/^\^/, '').replace(/\$$/, '')
  return inner.includes('|') ? `^(?:${inner})$` : `^${inner}$`
}
