import { jsonSchemaOf, keyOf, mapSubschemas, referent, type Direction, type JsonSchema } from '../router/json-schema.js'
import type { StandardSchema } from '../router/standard-schema.js'

/** A schema of the document that has a name. */
interface Entry {
  /** The name that it would have if it were the only one. */
  readonly name: string
  /** Its text, with all that it refers to: alike schemas are one. */
  readonly text: string
  readonly directions: Set<Direction>
  schema: JsonSchema
  /** What refers to it: all names are known when the document becomes JSON. */
  readonly reference: { toJSON(): string }
}

/** Gathers the schemas of a document. Those that have a name, or refer to themselves, are defined once. */
export class SchemaComponents {
  readonly #entries: Entry[] = []
  readonly #names = new Map<Entry, string>()
  readonly #reserved: readonly string[]

  /** @param reserved names that are taken */
  constructor(reserved: readonly string[]) {
    this.#reserved = reserved
  }

  /** The schema to write into the document in place of `schema`; its references are complete when it becomes JSON, after `finish`. @param name for one that has none but refers to itself */
  add(schema: StandardSchema, direction: Direction, name: string): JsonSchema {
    return this.addJson(jsonSchemaOf(schema, direction), direction, name)
  }

  /** As `add`, of a JSON Schema, or of the part `part` of one. */
  addJson(root: JsonSchema, direction: Direction, name: string, part: JsonSchema = root): JsonSchema {
    const found = new Map<JsonSchema, Entry>()
    const entryFor = (target: JsonSchema, entryName: string): { readonly $ref: object } => {
      const entry = found.get(target) ?? this.#entry(entryName, textOf(root, target), direction, entryName === name)
      if (!found.has(target)) {
        found.set(target, entry)
        entry.schema = copy(target, true)
      }
      return { $ref: entry.reference }
    }
    const copy = (schema: JsonSchema, isEntry = false): JsonSchema => {
      if (typeof schema === 'boolean') return schema
      const { $ref, title } = schema
      const target = typeof $ref === 'string' && $ref.startsWith('#') ? referent(root, $ref) : undefined
      if (!isEntry && target === undefined && isName(title) && schema.type === 'object') return entryFor(schema, title)
      const { $schema: _dialect, $id: _id, ...kept } = mapSubschemas(withoutDefinitions(schema), (one) => copy(one))
      return target === undefined ? kept : { ...kept, ...entryFor(target, nameOf(target, String($ref), name)) }
    }
    const copied = copy(part)
    return found.has(part) ? entryFor(part, name) : copied
  }

  /** @param anyName whether the name does not matter, since it is not the schema's own */
  #entry(name: string, text: string, direction: Direction, anyName: boolean): Entry {
    const base = name.replace(/[^\w.-]/g, '_')
    const found = this.#entries.find((one) => one.text === text && (anyName || one.name === base))
    if (found !== undefined) {
      found.directions.add(direction)
      return found
    }
    const reference = { toJSON: () => `#/components/schemas/${this.#names.get(entry)}` }
    const entry: Entry = { name: base, text, directions: new Set([direction]), schema: {}, reference }
    this.#entries.push(entry)
    return entry
  }

  /** The schemas by their names, in order. Of two with one name, that which requests alone have is called `...Input`. */
  finish(): Record<string, JsonSchema> {
    const taken = new Set(this.#reserved)
    for (const entry of [...this.#entries].sort((a, b) => Number(b.directions.has('output')) - Number(a.directions.has('output')))) {
      const wanted = taken.has(entry.name) && !entry.directions.has('output') ? `${entry.name}Input` : entry.name
      let name = wanted
      for (let count = 2; taken.has(name); count++) name = `${wanted}${count}`
      taken.add(name)
      this.#names.set(entry, name)
    }
    return Object.fromEntries(this.#entries.map((entry): [string, JsonSchema] => [this.#names.get(entry) ?? entry.name, entry.schema]).sort(([a], [b]) => a < b ? -1 : 1))
  }
}

function isName(title: unknown): title is string {
  return typeof title === 'string' && /^[A-Za-z_][\w.-]*$/.test(title)
}

function nameOf(target: JsonSchema, reference: string, otherwise: string): string {
  const title = typeof target === 'boolean' ? null : target.title
  return reference.includes('/') ? keyOf(reference.slice(reference.lastIndexOf('/') + 1)) : isName(title) ? title : otherwise
}

/** The text of a schema and of all that it refers to. */
function textOf(root: JsonSchema, schema: JsonSchema): string {
  const seen = new Set<JsonSchema>()
  const parts: string[] = []
  const visit = (one: JsonSchema): JsonSchema => {
    if (typeof one === 'boolean') return one
    const target = typeof one.$ref === 'string' && one.$ref.startsWith('#') ? referent(root, one.$ref) : undefined
    if (target !== undefined) gather(target)
    mapSubschemas(withoutDefinitions(one), visit)
    return one
  }
  const gather = (one: JsonSchema): void => {
    if (seen.has(one)) return
    seen.add(one)
    parts.push(JSON.stringify(typeof one === 'boolean' ? one : withoutDefinitions(one)))
    visit(one)
  }
  gather(schema)
  return parts.join('\n')
}

function withoutDefinitions({ $defs: _definitions, ...schema }: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return schema
}
