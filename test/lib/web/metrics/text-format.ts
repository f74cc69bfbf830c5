/** A metric as a reader of the text format sees it. */
export interface ReadMetric {
  readonly type: string
  readonly help: string
  /** Values by the text before them: the name, and labels with it. */
  readonly samples: Map<string, number>
}

const label = '[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\\\\n]|\\\\[\\\\n"])*"'
const sampleLine = new RegExp(`^([a-zA-Z_:][a-zA-Z0-9_:]*)(\\{${label}(?:,${label})*\\})? (\\+Inf|\\d+(?:\\.\\d+)?(?:e[+-]\\d+)?)$`)

/**
 * Reads the text format of Prometheus, version 0.0.4, and demands what `promtool check metrics` does: each metric once, with HELP
 * and TYPE before its samples; names of counters, and only these, end with _total; base units.
 * @throws for anything else
 */
export function readMetrics(text: string): Map<string, ReadMetric> {
  const metrics = new Map<string, ReadMetric>()
  if (!text.endsWith('\n')) throw new Error('no newline at the end')
  const lines = text.slice(0, -1).split('\n')
  for (let at = 0; at < lines.length;) {
    const [, name, help] = /^# HELP (\S+) (.+)$/.exec(lines[at++]) ?? fault(lines[at - 1])
    const [, typed, type] = /^# TYPE (\S+) (counter|gauge|histogram)$/.exec(lines[at++]) ?? fault(lines[at - 1])
    if (typed !== name || metrics.has(name)) fault(name)
    if (!/^[a-z][a-z0-9_]*$/.test(name) || (type === 'counter') !== name.endsWith('_total')) fault(`${type} ${name}`)
    if (/_(?:milliseconds|ms|minutes|kilobytes|percent|count|sum|bucket)(?:_|$)/.test(name)) fault(name)
    const samples = new Map<string, number>()
    for (; at < lines.length && !lines[at].startsWith('#'); at++) {
      const [, sample, labels = '', value] = sampleLine.exec(lines[at]) ?? fault(lines[at])
      if (sample !== name && !(type === 'histogram' && ['_bucket', '_sum', '_count'].some((suffix) => sample === name + suffix))) fault(lines[at])
      if (samples.has(sample + labels)) fault(lines[at])
      samples.set(sample + labels, value === '+Inf' ? Infinity : Number(value))
    }
    if (type === 'histogram') checkHistogram(name, samples)
    metrics.set(name, { type, help, samples })
  }
  return metrics
}

/** Buckets grow, and the last one, +Inf, is the count. */
function checkHistogram(name: string, samples: ReadonlyMap<string, number>): void {
  let before = { le: 0, value: 0 }
  for (const [sample, value] of samples) {
    const le = /le="([^"]*)"/.exec(sample)?.[1]
    if (le !== undefined) {
      const bound = le === '+Inf' ? Infinity : Number(le)
      if (bound <= before.le || value < before.value) fault(sample)
      before = { le: bound, value }
    } else if (sample.startsWith(`${name}_count`)) {
      if (before.le !== Infinity || value !== before.value) fault(sample)
      before = { le: 0, value: 0 }
    }
  }
}

function fault(text: string): never {
  throw new Error(`not the text format: ${text}`)
}
