import type { Spread } from '../statistics.js'

/** Plots as SVG within HTML. Colours come from the page's style: `peer-NAME` for what belongs to a peer. */

export function escape(text: string): string {
  return text.replace(/[&<>"]/g, (char) => `&#${char.charCodeAt(0)};`)
}

export interface Bar {
  readonly peer: string
  readonly title: string
  readonly value: Spread
  /** What is written at its end. */
  readonly label: string
}

const [barLeft, barWidth, barStep] = [110, 430, 26]

/** Horizontal bars from zero, with a line from the least to the greatest of their rounds. */
export function bars(all: readonly Bar[], label: string): string {
  const most = Math.max(...all.map(({ value }) => value.max), 0)
  const x = (value: number): number => round(barLeft + (most === 0 ? 0 : value / most) * barWidth)
  const height = all.length * barStep + 6
  const shapes = all.map(({ peer, title, value, label: text }, index) => {
    const top = index * barStep + 4
    const middle = top + 9
    return `<g class="peer-${peer}"><text x="${barLeft - 8}" y="${middle + 4}" text-anchor="end">${escape(title)}</text>` +
      `<rect x="${barLeft}" y="${top}" width="${round(x(value.median) - barLeft)}" height="18" rx="2"/>` +
      `<line class="range" x1="${x(value.min)}" x2="${x(value.max)}" y1="${middle}" y2="${middle}"/>` +
      `<text x="${round(Math.max(x(value.max), x(value.median)) + 8)}" y="${middle + 4}">${escape(text)}</text></g>`
  })
  return `<svg viewBox="0 0 700 ${height}" role="img" aria-label="${escape(label)}" class="bars">${shapes.join('')}</svg>`
}

export interface Series {
  readonly peer: string
  readonly title: string
  readonly points: readonly { readonly x: number; readonly y: Spread }[]
}

export interface Axes {
  readonly label: string
  readonly x: string
  readonly y: string
  /** The values that are marked on the x axis. */
  readonly marks: readonly { readonly at: number; readonly text: string }[]
  readonly logX: boolean
  readonly logY: boolean
}

const [left, right, top, bottom] = [64, 570, 14, 270]

/** A line for each peer, with the range of its rounds at each point, and its name at the end. */
export function lines(all: readonly Series[], { label, x, y, marks, logX, logY }: Axes): string {
  const values = all.flatMap(({ points }) => points.flatMap((point) => [point.y.min, point.y.max])).filter((value) => value > 0)
  if (values.length === 0) return ''
  const ticks = logY ? decades(Math.min(...values), Math.max(...values)) : steps(Math.max(...values))
  const across = scale(marks.map(({ at }) => at), left + 16, right - 16, logX)
  const up = scale(ticks, bottom, top, logY)
  const grid = ticks.map((tick) =>
    `<line class="grid" x1="${left}" x2="${right}" y1="${up(tick)}" y2="${up(tick)}"/>` +
    `<text x="${left - 6}" y="${up(tick) + 4}" text-anchor="end">${tick}</text>`)
  const feet = marks.map(({ at, text }) => `<text x="${across(at)}" y="${bottom + 18}" text-anchor="middle">${escape(text)}</text>`)
  // Names that would lie upon each other are moved apart.
  const ends = spreadOut(all.map(({ points }) => up(points[points.length - 1].y.median)), 15)
  const shapes = all.map(({ peer, title, points }, index) => {
    const path = points.map((point) => `${across(point.x)},${up(point.y.median)}`).join(' ')
    const dots = points.map((point) =>
      `<line class="range" x1="${across(point.x)}" x2="${across(point.x)}" y1="${up(point.y.min)}" y2="${up(point.y.max)}"/>` +
      `<circle cx="${across(point.x)}" cy="${up(point.y.median)}" r="3.5"><title>${escape(`${title}: ${point.y.median}`)}</title></circle>`)
    return `<g class="peer-${peer}"><polyline points="${path}"/>${dots.join('')}` +
      `<text class="name" x="${right + 6}" y="${ends[index] + 4}">${escape(title)}</text></g>`
  })
  return `<svg viewBox="0 0 700 ${bottom + 46}" role="img" aria-label="${escape(label)}" class="lines">${grid.join('')}${feet.join('')}` +
    `<text x="${(left + right) / 2}" y="${bottom + 38}" text-anchor="middle">${escape(x)}</text>` +
    `<text transform="translate(14 ${(top + bottom) / 2}) rotate(-90)" text-anchor="middle">${escape(y)}</text>${shapes.join('')}</svg>`
}

function scale(values: readonly number[], from: number, to: number, log: boolean): (value: number) => number {
  const on = (value: number): number => (log ? Math.log10(value) : value)
  const [low, high] = [on(Math.min(...values)), on(Math.max(...values))]
  return (value) => round(from + ((Math.max(on(value), low) - low) / (high - low || 1)) * (to - from))
}

/** Powers of ten around all values. */
export function decades(least: number, most: number): number[] {
  const [first, last] = [Math.floor(Math.log10(least)), Math.ceil(Math.log10(most))]
  return Array.from({ length: Math.max(2, last - first + 1) }, (_, index) => Number((10 ** (first + index)).toPrecision(1)))
}

/** Round numbers from 0 to beyond `most`. */
export function steps(most: number): number[] {
  const rough = most / 5
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((one) => one >= rough) ?? rough
  return Array.from({ length: Math.ceil(most / step) + 1 }, (_, index) => Number((index * step).toPrecision(6)))
}

/** Places at least `apart` from each other, near the given ones and in their order. */
export function spreadOut(places: readonly number[], apart: number): number[] {
  const moved = [...places]
  const order = [...places.keys()].sort((a, b) => places[a] - places[b])
  for (let index = 1; index < order.length; index++) {
    moved[order[index]] = Math.max(moved[order[index]], moved[order[index - 1]] + apart)
  }
  return moved
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}
