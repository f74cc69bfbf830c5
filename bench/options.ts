import { parseArgs } from 'node:util'
import type { Peer } from './peer.js'
import { peers } from './peers.js'
import { full, quick, type Plan } from './plan.js'
import { scenarios, type Scenario } from './scenarios.js'

const names = (list: readonly { readonly name: string }[]): string => list.map(({ name }) => name).join(', ')

export const usage = `npm run bench -- [--quick] [--only NAME[,NAME]] [--peers NAME[,NAME]] [--out FOLDER]
  --quick  at most three minutes, for a first look: fewer scenarios, wider spread
  --only   ${names(scenarios)}
  --peers  ${names(peers)}
  --out    where the results are written: the table, a report in HTML, and everything that was measured
           in JSON. Default: bench/results`

/** A fault of the machine's or the command line's: told in one line, without a stack. */
export class Refused extends Error {}

export interface Options {
  readonly plan: Plan
  readonly scenarios: readonly Scenario[]
  readonly peers: readonly Peer[]
  /** Null: the usual one. */
  readonly out: string | null
}

/** @returns null: help is wanted, and nothing else @throws Refused */
export function readOptions(args: readonly string[]): Options | null {
  const values = parse(args)
  if (values.help === true) return null
  return {
    plan: values.quick === true ? quick : full,
    scenarios: values.only === undefined
      ? scenarios.filter((scenario) => values.quick !== true || scenario.quick)
      : chosen('scenario', scenarios, values.only),
    peers: values.peers === undefined ? peers : chosen('peer', peers, values.peers),
    out: values.out ?? null,
  }
}

interface Values {
  readonly quick?: boolean
  readonly only?: string[]
  readonly peers?: string[]
  readonly out?: string
  readonly help?: boolean
}

function parse(args: readonly string[]): Values {
  try {
    return parseArgs({
      args: [...args],
      options: {
        quick: { type: 'boolean' },
        only: { type: 'string', multiple: true },
        peers: { type: 'string', multiple: true },
        out: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    }).values
  } catch (error) {
    throw new Refused(`${error instanceof Error ? error.message : String(error)}\n${usage}`)
  }
}

/** Those of `all` that the lists name, in the order of `all`. */
function chosen<T extends { readonly name: string }>(kind: string, all: readonly T[], lists: readonly string[]): T[] {
  const wanted = lists.flatMap((list) => list.split(','))
  for (const name of wanted) {
    if (!all.some((one) => one.name === name)) throw new Refused(`no ${kind} ${name}\n${usage}`)
  }
  return all.filter(({ name }) => wanted.includes(name))
}
