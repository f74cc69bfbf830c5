import type { ESLint, Linter, Rule } from 'eslint'
import type { Expression, Node, Super } from 'estree'
import type ts from 'typescript'

/** What a parser that knows types, typescript-eslint's, tells of them. */
interface TypeServices {
  readonly program: ts.Program
  getTypeAtLocation(node: Node): ts.Type
}

const noTypes =
  'leveret/no-forgotten-yield needs types: parse with typescript-eslint and set languageOptions.parserOptions.projectService to true'

/** Finds operations that are made and never run: where `yield*` was forgotten. */
const noForgottenYield: Rule.RuleModule = {
  meta: {
    type: 'problem',
    docs: { description: 'an operation does nothing until it is run by `yield*`' },
    messages: { forgotten: 'This operation is made and never run: write `yield*` before it.' },
    schema: [],
  },
  create(context) {
    const services = servicesOf(context)
    const checker = services.program.getTypeChecker()

    /** Reports the operations among what `node` may give, each where it stands. */
    function check(node: Expression | Super | null | undefined): void {
      for (const value of valuesOf(node)) checkType(value, checker.getNonNullableType(services.getTypeAtLocation(value)))
    }

    /** As `check`, for what is only asked whether it is there: of what may be null, that is a fair question. */
    function checkTest(node: Expression | null | undefined): void {
      for (const value of valuesOf(node)) checkType(value, services.getTypeAtLocation(value))
    }

    function checkType(node: Expression, type: ts.Type): void {
      if (isOperation(type, checker)) context.report({ node, messageId: 'forgotten' })
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
      TemplateLiteral: (node) => node.expressions.forEach(check),
      AwaitExpression: (node) => check(node.argument),
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

/** The expressions of which `node` gives one. */
function valuesOf(node: Expression | Super | null | undefined): Expression[] {
  if (node === null || node === undefined || node.type === 'Super') return []
  if (node.type === 'ConditionalExpression') return [...valuesOf(node.consequent), ...valuesOf(node.alternate)]
  // The left side of `&&` and `||` is reported by itself.
  if (node.type === 'LogicalExpression') return valuesOf(node.right)
  if (node.type === 'SequenceExpression') return valuesOf(node.expressions[node.expressions.length - 1])
  // What is assigned is kept, and may be run later; what is awaited is reported by itself.
  if (node.type === 'AssignmentExpression' || node.type === 'AwaitExpression') return []
  return [node]
}

/** Whether all that a type may be are generators of suspensions. */
function isOperation(type: ts.Type, checker: ts.TypeChecker): boolean {
  return partsOf(type).every((kind) => {
    // The types of TypeScript's library have a symbol each, others none.
    if ((kind.symbol as ts.Symbol | undefined)?.name !== 'Generator') return false
    const [yielded] = checker.getTypeArguments(kind as ts.TypeReference)
    return partsOf(yielded).some(isSuspension)
  })
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

/** A plugin for ESLint that knows operations. */
interface LeveretPlugin extends ESLint.Plugin {
  /** What ESLint shows of the plugin. */
  readonly meta: { readonly name: string }
  /** The rules, by their names behind `leveret/`. */
  readonly rules: { readonly 'no-forgotten-yield': Rule.RuleModule }
  /** Configurations to put into the list of an eslint.config.js: `recommended` has all rules as errors, for TypeScript. */
  readonly configs: { readonly recommended: Linter.Config }
}

/**
 * The plugin for ESLint 9 and later: `leveret/no-forgotten-yield` reports operations that are made and never run. It needs types,
 * which typescript-eslint's parser gives when `projectService` is set.
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
