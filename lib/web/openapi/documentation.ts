import { ArgumentError } from '../../errors.js'
import type { ResponseParts } from '../../request/handler.js'
import { describe, onTable } from '../router/description.js'
import type { RouteHandler } from '../router/table.js'
import { checkOptions, documentOf, type DocumentOptions } from './document.js'
import { pageResponse } from './page.js'

/**
 * Two routes to spread into a table: the OpenAPI 3.1 document of that table, and a page that shows it and can send requests. In a
 * group they have its prefix and wrappers. The document leaves them out.
 * @throws ArgumentError for an invalid option; what `openapi` throws for a table, `routes` throws then
 */
export function documentation(options: DocumentOptions): { readonly 'GET /openapi.json': RouteHandler, readonly 'GET /docs': RouteHandler } {
  checkOptions(options)
  let response: ResponseParts | null = null
  const document: RouteHandler = () => response ?? inNoTable()
  onTable(document, (table) => {
    if (response !== null) throw new ArgumentError('table', 'table: the routes of documentation() are in another table already')
    response = [JSON.stringify(documentOf(table, options)), 200, { 'Content-Type': 'application/json', 'Cache-Control': 'no-cache' }]
  })
  const page = pageResponse((options.servers ?? []).map(({ url }) => url))
  return {
    'GET /openapi.json': describe(document, { hidden: true }),
    'GET /docs': describe(() => page, { hidden: true }),
  }
}

function inNoTable(): never {
  throw new Error('the routes of documentation() belong in the table of `routes`, as they are')
}
