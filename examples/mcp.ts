// An MCP server (Model Context Protocol) with a tool that reports its progress while it works. Then, in another terminal:
//   curl http://127.0.0.1:8080/mcp --json '{"jsonrpc":"2.0","id":1,"method":"tools/list"}' -H 'Accept: application/json, text/event-stream'
import { setTimeout as delay } from 'node:timers/promises'
import {
  createMcpHandler, hostHeaderValidationResponse, localhostAllowedHostnames, localhostAllowedOrigins, McpServer, originValidationResponse,
} from '@modelcontextprotocol/server'
import * as server from 'leveret'
import { fromFetch } from 'leveret/fetch'
import { z } from 'zod'

/** A server for one request: this protocol has no sessions. */
function tools(): McpServer {
  const mcp = new McpServer({ name: 'counter', version: '1.0.0' })
  mcp.registerTool('count', {
    description: 'Counts slowly',
    inputSchema: z.object({ to: z.number().int().min(1).max(1000) }),
  }, async ({ to }, { mcpReq }) => {
    const progressToken = mcpReq._meta?.progressToken
    for (let progress = 1; progress <= to; progress++) {
      await delay(50, undefined, { signal: mcpReq.signal })
      if (progressToken !== undefined) await mcpReq.notify({ method: 'notifications/progress', params: { progressToken, progress, total: to } })
    }
    return { content: [{ type: 'text', text: `counted to ${to}` }] }
  })
  return mcp
}

const mcp = createMcpHandler(tools)

export const service = server.new({ port: 8080, handle_signals: true, log_level: 'warn' }, fromFetch((request) => {
  if (new URL(request.url).pathname !== '/mcp') return new Response('the server is at /mcp\n', { status: 404 })
  // Pages of other sites must not use a server on the user's machine.
  return hostHeaderValidationResponse(request, localhostAllowedHostnames())
    ?? originValidationResponse(request, localhostAllowedOrigins()) ?? mcp.fetch(request)
}))
if (process.argv[1] === import.meta.filename) await service.serve()
