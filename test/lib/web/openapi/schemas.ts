import { toStandardJsonSchema } from '@valibot/to-json-schema'
import { type } from 'arktype'
import * as v from 'valibot'
import { z } from 'zod'

/** The schemas of a to-do service by each library. */
export const libraries = {
  zod: {
    params: z.object({ id: z.coerce.number().int().min(1).max(999_999).describe('Its number') }),
    query: z.object({ done: z.enum(['true', 'false']).optional(), tag: z.array(z.string()).optional() }),
    todo: z.object({ title: z.string().min(1).max(20), done: z.boolean().default(false), size: z.number().int().min(0).max(9).optional() }).meta({ title: 'Todo' }),
  },
  valibot: {
    params: toStandardJsonSchema(v.object({ id: v.pipe(v.string(), v.regex(/^[1-9][0-9]{0,5}$/), v.description('Its number')) })),
    query: toStandardJsonSchema(v.object({ done: v.optional(v.picklist(['true', 'false'])), tag: v.optional(v.array(v.string())) })),
    todo: toStandardJsonSchema(v.pipe(v.object({
      title: v.pipe(v.string(), v.minLength(1), v.maxLength(20)),
      done: v.optional(v.boolean(), false),
      size: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(9))),
    }), v.title('Todo'))),
  },
  arktype: {
    params: type({ id: type('/^[1-9][0-9]{0,5}$/').describe('Its number') }),
    query: type({ 'done?': "'true' | 'false'", 'tag?': 'string[]' }),
    todo: type({ title: '1 <= string <= 20', done: 'boolean = false', 'size?': '0 <= number.integer <= 9' }),
  },
} as const
