export { described } from './described.js'
export { documentation } from './documentation.js'
export { openapi, type DocumentOptions } from './document.js'
export type {
  JsonSchema, OpenApiComponents, OpenApiContent, OpenApiDocument, OpenApiInfo, OpenApiOperation, OpenApiParameter, OpenApiPath, OpenApiResponse,
} from './types.js'
