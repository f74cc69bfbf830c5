import type { ESLint, Linter, Rule } from 'eslint'
import type { Expression, Node, Super } from 'estree'
import type ts from 'typescript'

/** Type information from typescript-eslint's parser. */
interface TypeServices {
  readonly program: ts.Program
  getTypeAtLocation(node: Node): ts.Type
}

const noTypes =
  'leveret/no-forgotten-yield needs types: parse with typescript-eslint and set languageOptions.parserOptions.projectService to true'

/** Reports operations that are created but never run because their `yield*` is missing. */
const noForgottenYield: Rule.RuleModule = {
  meta: {
    type: 'problem',
    docs: { description: 'an operation does nothing until it is run by `yield*`' },
    messages: {
      forgotten: 'This operation is made and never run: write `yield*` before it, or `await` in an async function.',
      awaited: 'This operation cannot be awaited, since a function* of your own has made it: write `await ctx.run(() => ...)` or `await lev.run(() => ...)`.',
    },
    schema: [],
  },
  create(context) {
    const services = servicesOf(context)
    const checker = services.program.getTypeChecker()

    /** Reports each expression that may become the value of `node` and whose type is an operation, or an operation or null. */
    function check(node: Expression | Super | null | undefined, messageId = 'forgotten'): void {
      for (const value of valuesOf(node)) checkType(value, checker.getNonNullableType(services.getTypeAtLocation(value)), messageId)
    }

    /** Like `check`, for a condition, which may test an operation that can be null. */
    function checkTest(node: Expression | null | undefined): void {
      for (const value of valuesOf(node)) checkType(value, services.getTypeAtLocation(value))
    }

    function checkType(node: Expression, type: ts.Type, messageId = 'forgotten'): void {
      if (isOperation(type, checker)) context.report({ node, messageId })
    }

    /** Operations of lev and Leveret can be awaited. */
    function checkAwaited({ argument }: { readonly argument: Expression }): void {
      if (services.getTypeAtLocation(argument).getProperty('then') === undefined) check(argument, 'awaited')
    }

    return {
      ExpressionStatement: (node) => check(node.expression),
      IfStatement: (node) => checkTest(node.test),
      WhileStatement: (node) => checkTest(node.test),
      DoWhileStatement: (node) => checkTest(node.test),
      ForStatement: (node) => checkTest(node.test),
      ConditionalExpression: (node) => checkTest(node.test),
      LogicalExpression: (node) => node.operator !== '??' && checkTest(node.left),
      UnaryExpression: (node) => node.operator === '!' && checkTest(node.argument),
      TemplateLiteral: (node) => node.expressions.forEach((one) => check(one)),
      AwaitExpression: checkAwaited,
      YieldExpression: (node) => !node.delegate && check(node.argument),
      ReturnStatement: (node) => isInGenerator(context, node) && check(node.argument),
    }
  },
}

function servicesOf({ sourceCode }: Rule.RuleContext): TypeServices {
  const services: Partial<TypeServices> = sourceCode.parserServices
  if (services.program === undefined || services.program === null) throw new Error(noTypes)
  return services as TypeServices
}

/** The expressions that may become the value of `node`. */
function valuesOf(node: Expression | Super | null | undefined): Expression[] {
  if (node === null || node === undefined || node.type === 'Super') return []
  if (node.type === 'ConditionalExpression') return [...valuesOf(node.consequent), ...valuesOf(node.alternate)]
  // The left side of `&&` and `||` is a condition, and checked as one.
  if (node.type === 'LogicalExpression') return valuesOf(node.right)
  if (node.type === 'SequenceExpression') return valuesOf(node.expressions[node.expressions.length - 1])
  // An assigned operation may be run later; an awaited one is checked at its `await`.
  if (node.type === 'AssignmentExpression' || node.type === 'AwaitExpression') return []
  return [node]
}

/** Whether every part of a type is a generator that yields suspensions. */
function isOperation(type: ts.Type, checker: ts.TypeChecker): boolean {
  return partsOf(type).every((kind) => {
    // An operation that is a promise too may have begun by itself.
    if (kind.isIntersection()) return kind.getProperty('catch') === undefined && kind.types.some((one) => isOperation(one, checker))
    if (isAwaitable(kind)) return true
    // Primitive types have no symbol, although TypeScript declares it as always present.
    if ((kind.symbol as ts.Symbol | undefined)?.name !== 'Generator') return false
    const [yielded] = checker.getTypeArguments(kind as ts.TypeReference)
    return partsOf(yielded).some(isSuspension)
  })
}

/** Whether a type is lev's interface `Awaitable`. */
function isAwaitable(type: ts.Type): boolean {
  return (type.symbol as ts.Symbol | undefined)?.name === 'Awaitable' && ['next', 'then'].every((name) => type.getProperty(name) !== undefined)
}

function partsOf(type: ts.Type): readonly ts.Type[] {
  return type.isUnion() ? type.types : [type]
}

function isSuspension(type: ts.Type): boolean {
  return type.getProperty('arm') !== undefined && type.getProperty('disarm') !== undefined
}

function isInGenerator({ sourceCode }: Rule.RuleContext, node: Node): boolean {
  const around = sourceCode.getAncestors(node).findLast(({ type }) => /Function/.test(type))
  return around !== undefined && 'generator' in around && around.generator === true
}

/** An ESLint plugin with rules for operations. */
interface LeveretPlugin extends ESLint.Plugin {
  /** The plugin's name in ESLint. */
  readonly meta: { readonly name: string }
  /** The rules by name; configurations prefix it with `leveret/`. */
  readonly rules: { readonly 'no-forgotten-yield': Rule.RuleModule }
  /** Configurations for eslint.config.js: `recommended` enables all rules as errors, in TypeScript files. */
  readonly configs: { readonly recommended: Linter.Config }
}

/**
 * The plugin for ESLint 9 and later: `leveret/no-forgotten-yield` reports operations that are created but never run. It needs
 * type information, which typescript-eslint's parser provides if `projectService` is set.
 */
const plugin: LeveretPlugin = {
  meta: { name: 'leveret' },
  rules: { 'no-forgotten-yield': noForgottenYield },
  configs: {
    recommended: {
      name: 'leveret/recommended',
      files: ['**/*.{ts,mts,cts,tsx}'],
      get plugins() {
        return { leveret: plugin }
      },
      rules: { 'leveret/no-forgotten-yield': 'error' },
    },
  },
}

export default plugin
