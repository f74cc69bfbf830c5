/** The page's whole looks. No fonts, no images, nothing to load. */
export const style = `
:root {
  color-scheme: light dark;
  --paper: #f7f5f1; --card: #fffefb; --ink: #26231e; --faint: #6f6a60;
  --line: #e2ddd3; --accent: #93501b; --tint: #f3e8dc;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #191816; --card: #22201d; --ink: #ebe7df; --faint: #a29c90;
    --line: #38352f; --accent: #e9a76c; --tint: #33291f;
  }
}
* { box-sizing: border-box; margin: 0 }
body {
  background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif;
  max-width: 60rem; margin: 0 auto; padding: 2.5rem 1.25rem 4rem;
}
code, .request, td {
  font-family: ui-monospace, 'SF Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace; font-size: .875em
}
h1 { font-size: 1.75rem; line-height: 1.2; letter-spacing: -.01em }
h2 { font-size: .8125rem; font-weight: 600; color: var(--faint); margin-bottom: .625rem; letter-spacing: .02em }
p { color: var(--faint); max-width: 42rem }
header { margin-bottom: 2rem }
header p { margin-top: .375rem }
section {
  background: var(--card); border: 1px solid var(--line); border-radius: .75rem;
  padding: 1.125rem 1.25rem; margin-top: 1rem;
}
.request { color: var(--ink); max-width: none; font-size: 1.25rem; overflow-wrap: anywhere }
.request b { color: var(--accent); font-weight: 600 }
.request i { color: var(--faint); font-style: normal }
dl {
  display: grid; grid-template-columns: repeat(auto-fit, minmax(11rem, 1fr)); gap: .875rem 1.5rem; margin-top: 1.125rem
}
dt { font-size: .8125rem; color: var(--faint) }
dd { overflow-wrap: anywhere }
.none { color: var(--faint) }
table { width: 100%; border-collapse: collapse; table-layout: fixed }
th, td {
  text-align: left; vertical-align: top; padding: .4375rem 0; border-top: 1px solid var(--line); overflow-wrap: anywhere
}
tr:first-child > * { border-top: 0 }
th { width: 34%; padding-right: 1rem; font-size: .875rem; font-weight: 500 }
ul {
  list-style: none; padding: 0; display: grid; grid-template-columns: repeat(auto-fit, minmax(16rem, 1fr)); gap: .625rem
}
li form { height: 100% }
li a, button {
  display: flex; flex-direction: column; justify-content: flex-start; align-items: flex-start; width: 100%;
  height: 100%; padding: .625rem .875rem; border: 1px solid var(--line); border-radius: .5rem;
  color: var(--ink); background: transparent; text-decoration: none; text-align: left; font: inherit;
  cursor: pointer;
}
li a:hover, button:hover { border-color: var(--accent); background: var(--tint) }
li a:focus-visible, button:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px }
li code { color: var(--accent); font-weight: 600; overflow-wrap: anywhere }
li small { display: block; color: var(--faint); font-size: .8125rem }
footer { margin-top: 1.5rem; font-size: .875rem }
`
