/* Draws an answer to a query with Vega-Lite. Bars have their edges computed here, since a bucket of time is as wide as it is long,
   and what is hidden is marked instead of drawn. */

import { expressionInterpreter } from "./vega-interpreter.js"

const SERIES = { HOUR: 1, DAY: 1, WEEK: 1, MONTH: 1, QUARTER: 1, YEAR: 1 }
const DAY = 86_400_000
const LIGHT = ["#0f5c4a", "#c4632d", "#3d6fb4", "#8a5fa8", "#a3853a", "#4f7d3a", "#b0485e", "#5c6661"]
const DARK = ["#7fd1b9", "#f0a070", "#8fb8f0", "#c9a4e4", "#dcc27a", "#a5d18a", "#f09aac", "#a7b5af"]
const LOCALES = {
  fr: {
    number: { decimal: ",", thousands: "\u202f", grouping: [3], currency: ["", "\u00a0€"], percent: "\u202f%" },
    time: {
      dateTime: "%A %e %B %Y %X", date: "%d/%m/%Y", time: "%H:%M:%S", periods: ["", ""],
      days: ["dimanche", "lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi"],
      shortDays: ["dim.", "lun.", "mar.", "mer.", "jeu.", "ven.", "sam."],
      months: ["janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre", "décembre"],
      shortMonths: ["janv.", "févr.", "mars", "avr.", "mai", "juin", "juil.", "août", "sept.", "oct.", "nov.", "déc."],
    },
  },
  en: {
    number: { decimal: ".", thousands: ",", grouping: [3], currency: ["€", ""] },
    time: {
      dateTime: "%A %e %B %Y %X", date: "%d/%m/%Y", time: "%H:%M:%S", periods: ["am", "pm"],
      days: ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"],
      shortDays: ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"],
      months: ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"],
      shortMonths: ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sept", "Oct", "Nov", "Dec"], // as in the table
    },
  },
}

/** Draws into a place. Answers Vega's view, which makes pictures, or null when there is nothing to draw. */
export async function draw(place, table, options) {
  const data = marks(table, options)
  if (!data.rows.length) return null
  const spec = specification(data, options, place.clientWidth)
  const { spec: compiled } = vegaLite.compile(spec, { logger: vega.logger(vega.Error) })
  const view = new vega.View(vega.parse(compiled, null, { ast: true }), {
    expr: expressionInterpreter,
    renderer: "svg",
    container: place,
    hover: true,
    locale: LOCALES[options.locale],
  })
  await view.runAsync()
  return view
}

/** One row for each mark: its group on the x axis, its series, its edges and what its tooltip says. */
function marks(table, { measure, kind, texts }) {
  const timeAt = table.dimensions.findIndex((name) => SERIES[name])
  const xAt = Math.max(0, timeAt)
  const unit = scaleOf(table, measure)
  const compares = kind !== "stack" && kind !== "share" && table.dimensions.length < 2
  const rows = []
  for (const row of table.rows) {
    const cell = row.cells[measure]
    const group = row.labels[xAt] ?? ""
    const series = row.labels.filter((_, at) => at !== xAt).join(" · ")
    const begin = timeAt < 0 ? null : timeOf(row.keys[xAt])
    const common = { group, begin, end: begin === null ? null : endOf(table.dimensions[xAt], begin) }
    rows.push(mark(common, series, cell, unit, texts))
    if (compares && cell.previous) rows.push(mark(common, texts.before, cell.previous, unit, texts))
  }
  const all = [...new Set(rows.map((row) => row.series))]
  if (kind !== "line") edges(rows, all, kind)
  return { rows, series: all, isTime: timeAt >= 0, unit, period: table.dimensions[xAt] }
}

function mark(common, series, number, unit, texts) {
  const value = number.isHidden ? null : (number.amount ? number.amount.amountCents / 100 : number.number)
  const shown = number.isHidden ? texts.hidden : number.formatted
  const tip = [common.group, series].filter(Boolean).join(" · ")
  return { ...common, series, value: value === null ? null : value / unit.divisor, isHidden: number.isHidden, tip: `${tip ? `${tip} : ` : ""}${shown}` }
}

/** Midnight in UTC of a day; the clock time in Paris of an hour, as if it were UTC. */
function timeOf(key) {
  if (!key.includes("T")) return Date.parse(`${key}T00:00:00Z`)
  const parts = new Intl.DateTimeFormat("sv-SE", { timeZone: "Europe/Paris", dateStyle: "short", timeStyle: "medium" })
  return Date.parse(`${parts.format(new Date(key)).replace(" ", "T")}Z`)
}

function endOf(period, begin) {
  const date = new Date(begin)
  const months = { MONTH: 1, QUARTER: 3, YEAR: 12 }[period]
  if (months) return date.setUTCMonth(date.getUTCMonth() + months)
  return begin + { HOUR: DAY / 24, WEEK: 7 * DAY }[period] || begin + DAY
}

/** The edges of bars: side by side, or on top of each other. */
function edges(rows, series, kind) {
  const isStacked = kind === "stack" || kind === "share"
  const groups = Map.groupBy ? Map.groupBy(rows, (row) => row.begin ?? row.group) : groupBy(rows)
  for (const members of groups.values()) {
    const whole = members.reduce((sum, row) => sum + Math.abs(row.value ?? 0), 0)
    let above = 0
    let below = 0
    for (const row of members) {
      const height = kind === "share" ? (whole ? (row.value ?? 0) / whole : 0) : (row.value ?? 0)
      row.low = isStacked ? (height < 0 ? below : above) : 0
      row.high = row.low + height
      if (height < 0) below = row.high
      else if (isStacked) above = row.high
      if (row.begin !== null) {
        const width = (row.end - row.begin) * 0.86
        const begin = row.begin + (row.end - row.begin) * 0.07
        const slot = isStacked ? width : width / series.length
        row.left = begin + (isStacked ? 0 : series.indexOf(row.series) * slot)
        row.right = row.left + slot
      }
    }
  }
}

function groupBy(rows) {
  const groups = new Map()
  for (const row of rows) groups.set(row.begin ?? row.group, [...(groups.get(row.begin ?? row.group) ?? []), row])
  return groups
}

/** By what numbers are divided so that the axis is readable, and how it is labelled. */
function scaleOf(table, measure) {
  const unit = table.measures[measure].unit
  if (unit !== "SECONDS") return { unit, divisor: 1, title: table.measures[measure].label }
  const largest = Math.max(0, ...table.rows.map((row) => row.cells[measure].number ?? 0))
  const [divisor, name] = largest >= 7_200 ? [3_600, "hours"] : largest >= 120 ? [60, "minutes"] : [1, "seconds"]
  return { unit, divisor, title: table.measures[measure].label, name }
}

function specification(data, { kind, isDark, texts, paper, ink, soft, line }, width) {
  const isShare = kind === "share" || data.unit.unit === "SHARE"
  const format = isShare ? ".0%" : data.unit.unit === "EUR" ? "$,.2~f" : ",.2~f"
  const title = data.unit.name ? `${data.unit.title} (${texts[data.unit.name]})` : data.unit.title
  const isNarrow = width < 480
  const y = (field, more = {}) => ({ field, type: "quantitative", title, axis: { format, tickCount: 5, ...more } })
  const color = {
    field: "series", type: "nominal", sort: null, title: null,
    scale: { domain: data.series, range: isDark ? DARK : LIGHT },
    legend: data.series.length > 1 ? { orient: "bottom", columns: isNarrow ? 1 : 3, labelLimit: 260, symbolType: "square" } : null,
  }
  const times = data.isTime ? timeAxis(data, kind, isNarrow) : null
  const groups = { type: "nominal", sort: null, title: null, axis: { labelAngle: isNarrow || data.rows.length > 8 ? -40 : 0, labelLimit: 140 } }
  const shown = { filter: "!datum.isHidden && isValid(datum.value)" }
  const layers = []
  const tooltip = { field: "tip", type: "nominal" }
  if (kind === "line") {
    const x = data.isTime ? { field: "begin", ...times } : { field: "group", ...groups }
    layers.push({ transform: [shown], mark: { type: "line", point: { size: 50 }, strokeWidth: 2.5 }, encoding: { x, y: y("value"), color, tooltip } })
  } else if (data.isTime) {
    const x = { field: "left", ...times }
    layers.push({ transform: [shown], mark: "rect", encoding: { x, x2: { field: "right" }, y: y("low"), y2: { field: "high" }, color, tooltip } })
  } else {
    const offset = kind === "bar" && data.series.length > 1 ? { xOffset: { field: "series", sort: null } } : {}
    const x = { field: "group", ...groups }
    layers.push({ transform: [shown], mark: { type: "bar" }, encoding: { x, ...offset, y: y("low"), y2: { field: "high" }, color, tooltip } })
  }
  if (data.rows.some((row) => row.isHidden)) {
    const x = data.isTime ? { field: "begin", ...times, ...(kind === "line" ? {} : { field: "middle" }) } : { field: "group", ...groups }
    layers.push({
      transform: [{ filter: "datum.isHidden" }, { calculate: "(datum.begin + datum.end) / 2", as: "middle" }],
      mark: { type: "text", text: "×", dy: -8, fontSize: 18, color: soft },
      encoding: { x, y: { datum: 0 }, tooltip },
    })
  }
  return {
    data: { values: data.rows },
    width: Math.max(220, width),
    height: isNarrow ? 260 : 340,
    autosize: { type: "fit", contains: "padding" },
    background: paper,
    layer: layers,
    config: {
      font: "system-ui, sans-serif",
      view: { stroke: null },
      axis: { labelColor: ink, titleColor: soft, gridColor: line, domainColor: line, tickColor: line, labelFontSize: 12, titleFontSize: 12, titleFontWeight: 500 },
      axisX: { grid: false, labelOverlap: true },
      legend: { labelColor: ink, labelFontSize: 12 },
    },
  }
}

/** The time on the x axis, with a tick for each bucket while they fit. A linear scale of milliseconds, since the ticks are known. */
function timeAxis(data, kind, isNarrow) {
  const begins = [...new Set(data.rows.map((row) => row.begin))].sort((a, b) => a - b)
  const formats = { HOUR: "%-d %b, %H:%M", DAY: "%-d %b", WEEK: "%-d %b", MONTH: "%b %Y", QUARTER: "%b %Y", YEAR: "%Y" }
  const step = Math.ceil(begins.length / (isNarrow ? 4 : 10))
  const last = Math.max(...data.rows.map((row) => (kind === "line" ? row.begin : row.end)))
  const middle = kind === "line" ? 0 : (data.rows[0].end - data.rows[0].begin) / 2
  return {
    type: "quantitative",
    title: null,
    scale: { domain: [begins[0], Math.max(last, begins[0] + 1)], zero: false, nice: false },
    axis: {
      values: begins.filter((_, at) => at % step === 0).map((begin) => begin + middle),
      labelExpr: `utcFormat(datum.value - ${middle}, '${formats[data.period]}')`,
      labelFlush: kind === "line",
      labelOverlap: true,
    },
  }
}
