/** The style of the HTML report: light or dark as the reader's system is. */
export const style = `
:root {
  color-scheme: light dark;
  --back: #fff; --text: #1f2328; --soft: #656d76; --line: #d8dee4;
  --leveret: #0b62d6; --node-http: #24292f; --fastify: #8a5cd1; --bun: #c2410c; --go: #0e8a8a; --nginx: #2c8a3a; --ws: #24292f;
}
@media (prefers-color-scheme: dark) {
  :root {
    --back: #0d1117; --text: #e6edf3; --soft: #8d96a0; --line: #30363d;
    --leveret: #58a6ff; --node-http: #c9d1d9; --fastify: #c297ff; --bun: #ff9a5c; --go: #4fd1d1; --nginx: #6fd07f; --ws: #c9d1d9;
  }
}
body { font: 15px/1.5 system-ui, sans-serif; background: var(--back); color: var(--text); max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.15rem; margin-top: 2.5rem; border-top: 1px solid var(--line); padding-top: 1rem; }
p.soft, li.soft, small, td.soft { color: var(--soft); }
ul.notes { color: var(--soft); font-size: .85rem; padding-left: 1.2rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem; }
th, td { padding: .2rem .8rem; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
tr.leveret td { font-weight: 600; }
svg { display: block; width: 100%; max-width: 700px; margin: .5rem 0; font: 12px system-ui, sans-serif; fill: var(--text); }
svg .grid { stroke: var(--line); } svg .range { stroke: var(--text); opacity: .55; }
svg polyline { fill: none; stroke-width: 2; }
details { margin: .5rem 0; } summary { cursor: pointer; color: var(--soft); }
${['leveret', 'node-http', 'fastify', 'bun', 'go', 'nginx', 'ws'].map((name) =>
  `.lines .peer-${name} { fill: var(--${name}); } .lines .peer-${name} :is(polyline, .range) { stroke: var(--${name}); }`).join('\n')}
.lines .peer-leveret polyline { stroke-width: 3.5; }
.bars rect { fill: var(--soft); opacity: .5; } .bars .peer-leveret rect { fill: var(--leveret); opacity: 1; }
`
