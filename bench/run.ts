import { measureClosed } from './measure/closed.js'
import { measureCurve } from './measure/curves.js'
import { measureLatency } from './measure/latency.js'
import type { Missing, Setting } from './measure/setting.js'
import type { Scenario } from './scenarios.js'
import { summarizeCurve } from './report/curves.js'
import { summarizeLatency } from './report/latency.js'
import type { Result } from './report/result.js'
import { summarize } from './report/summary.js'

/** Measures one scenario, of whatever kind, and sums it up. @param absent those of whom there can be no figures */
export async function runScenario(scenario: Scenario, setting: Setting, absent: readonly Missing[]): Promise<Result> {
  const result = await measured(scenario, setting)
  return { ...result, missing: [...absent, ...result.missing] }
}

async function measured(scenario: Scenario, setting: Setting): Promise<Result> {
  switch (scenario.kind) {
    case 'latency': return summarizeLatency(scenario, await measureLatency(scenario, setting))
    case 'connections':
    case 'backlog': return summarizeCurve(scenario, await measureCurve(scenario, setting))
    default: return summarize(scenario, await measureClosed(scenario, setting))
  }
}
