/** Headers by lower-case name, as a handler returns them; only `set-cookie` may have several values. */
export class Fields {
  [name: string]: string | string[] | undefined

  static {
    // A field may be named `constructor` or `__proto__`. This is made faster than Object.create(null).
    Object.setPrototypeOf(this.prototype, null)
    Reflect.deleteProperty(this.prototype, 'constructor')
  }
}

/** The fields of Headers. */
export function fieldsOf(headers: Headers): Fields {
  const fields = new Fields()
  for (const [name, value] of headers) {
    const earlier = fields[name]
    if (earlier === undefined) fields[name] = value
    else fields[name] = Array.isArray(earlier) ? [...earlier, value] : [earlier, value]
  }
  return fields
}
