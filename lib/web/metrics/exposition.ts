/** A type of metric in the text format of Prometheus. */
export type MetricType = 'counter' | 'gauge' | 'histogram'

/** One number: the suffix of its name, such as `_sum`, its labels and its value. */
export type Sample = readonly [suffix: string, labels: Readonly<Record<string, string>>, value: number]

/** Media type of the text format, version 0.0.4. */
export const mediaType = 'text/plain; version=0.0.4; charset=utf-8'

/** A metric with its samples, in the text format: https://prometheus.io/docs/instrumenting/exposition_formats/ */
export function metricText(name: string, type: MetricType, help: string, samples: Iterable<Sample>): string {
  let text = `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`
  for (const [suffix, labels, value] of samples) text += `${name}${suffix}${labelsText(labels)} ${numberText(value)}\n`
  return text
}

function labelsText(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${value.replace(/[\\"\n]/g, escaped)}"`)
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`
}

function escaped(character: string): string {
  return character === '\n' ? '\\n' : `\\${character}`
}

/** As Go reads it, which knows `+Inf` and no `Infinity`. */
export function numberText(value: number): string {
  return value === Infinity ? '+Inf' : String(value)
}
