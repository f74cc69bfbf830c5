import { messageOf } from '../../../lev/internal.js'
import { refuse, type Check } from '../../config/validators.js'

/** What is used of a client of the package `redis`: of one server, a pool, sentinels or a cluster. */
export interface NodeRedisClient {
  /** Runs a script by its SHA-1. */
  evalSha(sha: string, options: { keys: string[]; arguments: string[] }): Promise<unknown>
  /** Runs a script. */
  eval(script: string, options: { keys: string[]; arguments: string[] }): Promise<unknown>
  /** Whether commands are sent at once. */
  readonly isReady?: boolean | null | undefined
}

/** What is used of a client of the package `ioredis`: of one server or a cluster. */
export interface IoRedisClient {
  /** Runs a script by its SHA-1. */
  evalsha(sha: string, keys: number, ...keysAndArguments: string[]): Promise<unknown>
  /** Runs a script. */
  eval(script: string, keys: number, ...keysAndArguments: string[]): Promise<unknown>
  /** "ready" when commands are sent at once, "wait" when the first command connects. */
  readonly status: string
}

/** A client of Redis or Valkey, of the package `redis` or `ioredis`. */
export type RedisClient = NodeRedisClient | IoRedisClient

/** A client of either kind. */
export interface ScriptRunner {
  /** The user's own object. */
  readonly client: object
  /** False while the client would only keep a command until it is connected. */
  isReady(): boolean
  /** Runs a script by its SHA-1 with one key. */
  runBySha(sha: string, key: string, args: string[]): Promise<unknown>
  /** Runs a script with one key. */
  run(script: string, key: string, args: string[]): Promise<unknown>
}

/** Recognises the kind of a client by its methods. */
export const scriptRunner: Check<ScriptRunner> = (value, name) => {
  if (isNodeRedis(value)) {
    return {
      client: value,
      isReady: () => value.isReady !== false,
      runBySha: (sha, key, args) => value.evalSha(sha, { keys: [key], arguments: args }),
      run: (script, key, args) => value.eval(script, { keys: [key], arguments: args }),
    }
  }
  if (isIoRedis(value)) {
    return {
      client: value,
      isReady: () => value.status === 'ready' || value.status === 'wait',
      runBySha: (sha, key, args) => value.evalsha(sha, 1, key, ...args),
      run: (script, key, args) => value.eval(script, 1, key, ...args),
    }
  }
  return refuse(name, value, 'a client of the package redis or ioredis')
}

function isNodeRedis(value: unknown): value is NodeRedisClient {
  return hasMethods(value, 'evalSha', 'eval')
}

function isIoRedis(value: unknown): value is IoRedisClient {
  return hasMethods(value, 'evalsha', 'eval')
}

function hasMethods(value: unknown, ...names: readonly string[]): boolean {
  return typeof value === 'object' && value !== null && names.every((name) => typeof Reflect.get(value, name) === 'function')
}

/** Whether the server does not know the script: it has been restarted, or its scripts were removed. */
export function isUnknownScript(error: unknown): boolean {
  return messageOf(error).startsWith('NOSCRIPT')
}
