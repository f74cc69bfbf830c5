/** The text before the first `End`. */
type Before<Text extends string, End extends string> = Text extends `${infer Head}${End}${string}` ? Head : Text

/** The name at the beginning of `Text`, with its question mark if it is optional. */
type Name<Text extends string> = Before<Before<Before<Before<Text, '/'>, '-'>, '.'>, '('>

/** What follows a name: a regular expression is no part of it. */
type Rest<Text extends string> = Text extends `${Name<Text>}(${string})${infer After}` ? After : Text extends `${Name<Text>}${infer After}` ? After : ''

type Names<Path extends string> = Path extends `${string}:${infer Text}`
  ? Text extends `:${infer After}` ? Names<After> : Name<Text> | Names<Rest<Text>>
  : never

type Wildcard<Path extends string> = Path extends `${string}*` ? '*' : never

/** The parameters of a path: `:name`, `:name?`, and `*` at its end. */
export type PathParams<Path extends string> = string extends Path
  ? Readonly<Record<string, string | undefined>>
  : {
    readonly [K in Names<Path> | Wildcard<Path> as K extends `${string}?` ? never : K]: string
  } & {
    readonly [K in Names<Path> as K extends `${infer Optional}?` ? Optional : never]: string | undefined
  }
