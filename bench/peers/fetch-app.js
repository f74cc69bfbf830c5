import { Hono } from 'hono'

/** The application that all servers of fetch applications run. */
export const app = new Hono()

app.get('/users/:name', (c) => c.json({ name: c.req.param('name') }))
app.post('/echo', async (c) => c.json(await c.req.json()))
