/* Queries of figures: a form, a chart and a table, and the queries that are saved. session.js has the session. */

import { draw } from "./drawing.js"

const TEXTS = JSON.parse(document.getElementById("texts").content.textContent)
const CATALOGUE = JSON.parse(document.getElementById("catalogue").content.textContent)
const LANGUAGE = document.documentElement.lang
const PLACE = Object.fromEntries([...document.querySelectorAll("[id]")].map((element) => [element.id, element]))
const FORM = PLACE.query.elements
const DARK = matchMedia("(prefers-color-scheme: dark)")
const MOST = { measures: 6, by: 4 }
const WEEKDAYS = ["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY"]
const SERIES = ["DAY", "WEEK", "MONTH", "QUARTER", "YEAR"]

let me = null
let saved = [] // queries
let schedules = []
let query = { fact: "tickets", ...newInput() } // what the form shows
let shown = null // the last answer, with its query
let view = null // Vega's, of the chart that is shown

function newInput() {
  return { by: ["MONTH"], measures: [{ function: "COUNT" }], last: { number: 3, period: "MONTH" }, where: {}, fillGaps: true, first: 1000 }
}

function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag)
  for (const [name, value] of Object.entries(properties)) {
    if (name in element && !name.startsWith("aria")) element[name] = value
    else element.setAttribute(name, value)
  }
  element.append(...children.filter((child) => child !== null))
  return element
}

function options(select, labels, chosen) {
  select.replaceChildren(...Object.entries(labels).map(([value, text]) => h("option", { value, selected: value === chosen }, text)))
}

function fill(text, values) {
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name])
}

/** Asks for one of the page's own documents. Throws an Error with what to tell the person. */
async function request(name, variables = {}) {
  const answer = await ask({ query: OPERATIONS[name], variables }).catch(() => {
    throw new Error(BAR.dataset.unreachable)
  })
  const errors = answer.errors ?? []
  if (errors.length) throw new Error([...new Set(errors.map(messageOf))].join(" "))
  return answer
}

function messageOf(error) {
  return (error.extensions?.errors ?? [error]).map((each) => each.message).join(" ")
}

// Form

function fact() {
  return CATALOGUE.facts[query.fact]
}

function showForm() {
  options(FORM.fact, mapValues(CATALOGUE.facts, (each) => each.label), query.fact)
  PLACE.measures.querySelector("div").replaceChildren(...query.measures.map(measureItem))
  FORM["add-measure"].hidden = query.measures.length >= MOST.measures
  PLACE.dimensions.querySelector("div").replaceChildren(...query.by.map(dimensionItem))
  FORM["add-dimension"].hidden = query.by.length >= MOST.by
  PLACE.filters.querySelector("div").replaceChildren(...Object.keys(query.where).filter(filterName).map(filterItem))
  PLACE["more-conditions"].hidden = Object.keys(query.where).every(filterName) && query.measures.every((each) => !each.having)
  FORM.range.value = query.last ? "last" : "dates"
  options(FORM.period, Object.fromEntries(SERIES.map((name) => [name, CATALOGUE.periods[name]])), query.last?.period ?? "MONTH")
  FORM.number.value = query.last?.number ?? 3
  FORM.since.value = query.since ?? ""
  FORM.until.value = query.until ? addDays(query.until, -1) : ""
  FORM.compare.value = query.compare ?? ""
  FORM.fillGaps.checked = Boolean(query.fillGaps)
  showRange()
  showKept()
}

function showRange() {
  for (const element of PLACE.days.querySelectorAll(".last, .dates")) element.hidden = !element.classList.contains(FORM.range.value)
}

function mapValues(object, map) {
  return Object.fromEntries(Object.entries(object).map(([key, value]) => [key, map(value)]))
}

function labelled(text, control) {
  return h("label", {}, text, control)
}

function removal(change) {
  const button = h("button", { type: "button", className: "small", title: TEXTS.remove, "aria-label": TEXTS.remove }, "×")
  button.addEventListener("click", () => {
    change()
    showForm()
  })
  return button
}

function chooser(labels, chosen, change) {
  const select = h("select")
  options(select, labels, chosen)
  select.addEventListener("change", () => {
    change(select.value)
    showForm()
  })
  return select
}

function measureItem(measure, at) {
  const names = valuesOf(measure.function)
  const orders = { "": TEXTS.byGroup, ASC: TEXTS.ascending, DESC: TEXTS.descending }
  const total = h("input", { type: "checkbox", checked: Boolean(measure.runningTotal) })
  total.addEventListener("change", () => (measure.runningTotal = total.checked))
  return h(
    "div",
    { className: "item" },
    labelled(TEXTS.function, chooser(CATALOGUE.functions, measure.function, (name) => {
      measure.function = name
      measure.of = Object.keys(valuesOf(name))[0]
    })),
    Object.keys(names).length ? labelled(TEXTS.value, chooser(names, measure.of, (name) => (measure.of = name))) : null,
    labelled(TEXTS.order, chooser(orders, measure.order ?? "", (order) => {
      for (const each of query.measures) delete each.order
      if (order) measure.order = order
    })),
    h("label", { className: "check" }, total, TEXTS.runningTotal),
    query.measures.length > 1 ? removal(() => query.measures.splice(at, 1)) : null,
  )
}

function valuesOf(name) {
  if (name === "COUNT") return {}
  return name === "DISTINCT" ? fact().keys : mapValues(fact().values, (each) => each.label)
}

function dimensionLabels() {
  const periods = Object.fromEntries(fact().periods.map((name) => [name, CATALOGUE.periods[name]]))
  return { ...periods, ...mapValues(fact().dimensions, (each) => each.label) }
}

function dimensionItem(name, at) {
  const others = query.by.filter((_, index) => index !== at)
  const labels = Object.fromEntries(Object.entries(dimensionLabels()).filter(([key]) => !others.includes(key)))
  const select = chooser(labels, name, (value) => (query.by[at] = value))
  return h("div", { className: "item" }, labelled(TEXTS.dimension, select), removal(() => query.by.splice(at, 1)))
}

/** The name of the dimension of a condition, as the schema writes it in `where`. */
function filterName(field) {
  return Object.keys(fact().dimensions).find((name) => camel(name) === field)
}

function camel(name) {
  return name.toLowerCase().replace(/_(\w)/g, (_, letter) => letter.toUpperCase())
}

function filterItem(field) {
  const name = filterName(field)
  const dimension = fact().dimensions[name]
  const free = Object.entries(fact().dimensions).filter(([each]) => each === name || !(camel(each) in query.where))
  const select = chooser(Object.fromEntries(free.map(([each, { label }]) => [each, label])), name, (value) => {
    delete query.where[field]
    query.where[camel(value)] = { in: [] }
  })
  const condition = query.where[field]
  const accepted = condition.in ?? (condition.eq === undefined || condition.eq === null ? [] : [condition.eq])
  return h("div", { className: "item" }, labelled(TEXTS.dimension, select), valuesControl(dimension, accepted, (values) => (query.where[field] = { in: values })), removal(() => delete query.where[field]))
}

function valuesControl(dimension, accepted, change) {
  if (Object.keys(dimension.values).length) {
    const select = h("select", { multiple: true, size: 4 })
    select.append(...Object.entries(dimension.values).map(([value, text]) => h("option", { value, selected: accepted.includes(value) }, text)))
    select.addEventListener("change", () => change([...select.selectedOptions].map((each) => each.value)))
    return labelled(TEXTS.value, select)
  }
  const input = h("input", { value: accepted.join(", "), autocomplete: "off" })
  input.addEventListener("change", () => {
    const values = input.value.split(",").map((each) => each.trim()).filter(Boolean)
    change(dimension.isNumber ? values.map(Number).filter(Number.isInteger) : values)
  })
  return labelled(TEXTS.values, input)
}

function addDays(day, count) {
  const date = new Date(`${day}T00:00:00Z`)
  date.setUTCDate(date.getUTCDate() + count)
  return date.toISOString().slice(0, 10)
}

/** The query of the form as an AnalyticsQueryInput. */
function input() {
  const { fact: name, ...rest } = query
  const days = FORM.range.value === "last"
    ? { last: { number: Number(FORM.number.value) || 1, period: FORM.period.value } }
    : { since: FORM.since.value || null, until: FORM.until.value ? addDays(FORM.until.value, 1) : null }
  const { last, since, until, ...kept } = rest
  const where = Object.keys(kept.where).length ? kept.where : null
  return { [name]: { ...kept, where, ...days, compare: FORM.compare.value || null, fillGaps: FORM.fillGaps.checked } }
}

/** The same without groups: its only row is the total. */
function totalOf(whole) {
  const [[name, chosen]] = Object.entries(whole)
  const measures = chosen.measures.map(({ order, having, runningTotal, ...measure }) => measure)
  return { [name]: { ...chosen, by: [], measures, fillGaps: false, first: 1 } }
}

function read(whole) {
  const [[name, chosen]] = Object.entries(whole)
  query = { fact: name, by: [], where: {}, ...chosen }
}

// Result

async function run(whole, title) {
  FORM[0].form.querySelector("button.main").disabled = true
  PLACE.message.textContent = TEXTS.loading
  try {
    const answer = await request("Figures", { query: whole, total: totalOf(whole) })
    shown = { whole, title, ...answer.data, cost: answer.extensions?.cost }
    PLACE.message.textContent = ""
    await showResult()
  } catch (error) {
    PLACE.message.textContent = error.message
    throw error
  } finally {
    FORM[0].form.querySelector("button.main").disabled = false
  }
}

async function showResult() {
  const { table, cost, title } = shown
  PLACE.result.hidden = false
  PLACE["result-title"].textContent = title
  PLACE.facts.textContent = factsOf(table, cost).join(" · ")
  PLACE.charted.hidden = table.measures.length < 2
  const chosen = FORM_OF_RESULT.measure.value
  options(FORM_OF_RESULT.measure, Object.fromEntries(table.measures.map((each, at) => [at, each.label])), chosen)
  if (!FORM_OF_RESULT.measure.value) FORM_OF_RESULT.measure.value = 0
  showTable()
  await showChart()
}

const FORM_OF_RESULT = Object.fromEntries([...PLACE.result.querySelectorAll("[name]")].map((element) => [element.name, element]))

function factsOf(table, cost) {
  const day = new Intl.DateTimeFormat(LANGUAGE === "en" ? "en-GB" : LANGUAGE, { dateStyle: "medium", timeZone: "UTC" })
  const days = fill(TEXTS.days, { since: day.format(new Date(table.since)), last: day.format(new Date(addDays(table.until, -1))) })
  const facts = [days]
  if (table.truncated) facts.push(fill(TEXTS.rows, { shown: table.rows.length, all: table.rowCount }))
  if (!table.rows.length) facts.push(TEXTS.nothing)
  if (table.hiddenCount) facts.push(fill(TEXTS.hiddenCount, { count: table.hiddenCount, minimum: table.minimumCompanies }))
  const number = new Intl.NumberFormat(LANGUAGE)
  if (cost) facts.push(fill(TEXTS.cost, { requested: number.format(cost.requested), limit: number.format(cost.limit) }))
  return facts
}

function showTable() {
  const { table, total, title } = shown
  const extras = (at) => {
    const first = [...table.rows, ...total.rows][0]?.cells[at]
    return { compares: Boolean(first?.previous), adds: Boolean(table.rows[0]?.cells[at].runningTotal) }
  }
  const heads = table.measures.flatMap(({ label }, at) => {
    const { compares, adds } = extras(at)
    return [label, ...(compares ? [`${label}, ${TEXTS.before}`, TEXTS.change] : []), ...(adds ? [`${label}, ${TEXTS.cumulated}`] : [])]
  })
  const cellsOf = (row) => row.cells.flatMap((cell, at) => {
    const { compares, adds } = extras(at)
    return [
      numberCell(cell),
      ...(compares ? [numberCell(cell.previous ?? {}), h("td", {}, percent(cell.change))] : []),
      ...(adds ? [h("td", {}, cell.runningTotal?.formatted ?? "")] : []),
    ]
  })
  const groups = table.dimensionLabels.map((label) => h("th", { scope: "col", className: "group" }, label))
  const blank = groups.length ? [] : [h("th", { scope: "col", className: "group" }, "")]
  const head = h("thead", {}, h("tr", {}, ...groups, ...blank, ...heads.map((label) => h("th", { scope: "col" }, label))))
  const body = h("tbody", {}, ...table.rows.map((row) => h("tr", {}, ...groupCells(row), ...cellsOf(row))))
  const foot = total.rows.length && table.dimensions.length
    ? h("tfoot", {}, h("tr", {}, h("th", { scope: "row", className: "group", colSpan: Math.max(1, table.dimensions.length) }, TEXTS.total), ...cellsOf(total.rows[0])))
    : null
  PLACE.scroll.querySelector("table").replaceChildren(...[h("caption", {}, title), head, body, foot].filter(Boolean))
}

function groupCells(row) {
  if (!row.labels.length) return [h("th", { scope: "row", className: "group" }, TEXTS.total)]
  return row.labels.map((label) => h("th", { scope: "row", className: "group" }, label))
}

function numberCell(number) {
  return number.isHidden ? h("td", { className: "hidden", title: TEXTS.hiddenTitle }, TEXTS.hidden) : h("td", {}, number.formatted ?? "–")
}

function percent(change) {
  if (change === null || change === undefined) return "–"
  return new Intl.NumberFormat(LANGUAGE, { style: "percent", maximumFractionDigits: 1, signDisplay: "exceptZero" }).format(change)
}

async function showChart() {
  const kind = FORM_OF_RESULT.kind.value
  const measure = Number(FORM_OF_RESULT.measure.value)
  const style = getComputedStyle(document.documentElement)
  const colors = Object.fromEntries(["paper", "ink", "soft", "line"].map((name) => [name, style.getPropertyValue(`--${name}`).trim()]))
  view?.finalize()
  PLACE.chart.replaceChildren()
  view = await draw(PLACE.chart, shown.table, { measure, kind, locale: LANGUAGE, texts: TEXTS, isDark: DARK.matches, ...colors })
  const name = FORM_OF_RESULT.kind.selectedOptions[0].textContent
  PLACE.chart.setAttribute("aria-label", fill(TEXTS.chartOf, { kind: name, measure: shown.table.measures[measure].label }))
  PLACE["hidden-note"].hidden = !shown.table.rows.some((row) => row.cells[measure].isHidden)
  FORM_OF_RESULT.png.disabled = FORM_OF_RESULT.svg.disabled = !view
}

function titleOf(whole) {
  const [name] = Object.keys(whole)
  const row = saved.find((each) => each.id === FORM.saved.value)
  return row ? row.name : [CATALOGUE.facts[name].label, ...query.by.map((each) => dimensionLabels()[each])].join(" · ")
}

// Files

async function download(field) {
  const { data } = await request("Files", { query: shown.whole })
  location.assign(data.analytics[field])
}

async function picture(kind) {
  const blob = kind === "svg"
    ? new Blob([await view.toSVG()], { type: "image/svg+xml" })
    : await view.toCanvas(2).then((canvas) => new Promise((resolve) => canvas.toBlob(resolve, "image/png")))
  const link = h("a", { href: URL.createObjectURL(blob), download: `camcha-${Object.keys(shown.whole)[0]}-${shown.table.since}.${kind}` })
  link.click()
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000)
}

// Saved queries

async function load() {
  const { data } = await request("Saved")
  me = data.viewer.user.id
  saved = data.savedQueries.nodes
  schedules = data.querySchedules.nodes
  showSaved(FORM.saved.value)
}

function showSaved(chosen) {
  const group = (label, rows) => rows.length ? h("optgroup", { label }, ...rows.map((row) => h("option", { value: row.id, selected: row.id === chosen }, row.problems.length ? `${row.name} (!)` : row.name))) : null
  const own = saved.filter((row) => row.owner.id === me)
  FORM.saved.replaceChildren(...[h("option", { value: "" }, TEXTS.newQuery), group(TEXTS.own, own), group(TEXTS.shared, saved.filter((row) => row.owner.id !== me))].filter(Boolean))
}

function current() {
  return saved.find((row) => row.id === FORM.saved.value) ?? null
}

function choose() {
  const row = current()
  PLACE.problems.hidden = !row?.problems.length
  if (row?.problems.length) PLACE.problems.textContent = [TEXTS.outdated, ...row.problems.map((each) => each.message)].join(" ")
  if (row && !row.problems.length) read(JSON.parse(row.query))
  showForm()
  if (row && !row.problems.length) run(JSON.parse(row.query), row.name).catch(() => {})
}

async function showKept() {
  const row = current()
  FORM.name.value = row?.name ?? ""
  FORM.isShared.checked = Boolean(row?.isShared)
  FORM.save.hidden = FORM.delete.hidden = !row || row.owner.id !== me
  PLACE.schedules.hidden = !row
  for (const element of PLACE.schedules.querySelectorAll(".weekly")) element.hidden = FORM.frequency.value !== "WEEKLY"
  for (const element of PLACE.schedules.querySelectorAll(".monthly")) element.hidden = FORM.frequency.value !== "MONTHLY"
  if (row) await showSchedules(row)
}

async function showSchedules(row) {
  const { data } = await request("SchedulesOf", { id: row.id })
  if (current() !== row) return
  const items = data.node.schedules.map((each) => {
    const stop = h("button", { type: "button", className: "small" }, TEXTS.stop)
    stop.addEventListener("click", () => keep("Unschedule", "queryScheduleDelete", { queryScheduleId: each.id }, TEXTS.deleted))
    const text = fill(TEXTS.sentTo, { when: whenOf(each), name: each.recipient.name })
    return h("li", {}, h("span", {}, each.endedAt ? `${text} (${TEXTS.ended})` : text), stop)
  })
  PLACE.schedules.querySelector("ul").replaceChildren(...(items.length ? items : [h("li", {}, TEXTS.noSchedules)]))
}

function whenOf({ frequency, hour, weekday, dayOfMonth }) {
  const values = { hour: hourText(hour), weekday: weekday && weekdayText(weekday), day: dayOfMonth }
  return fill(TEXTS[frequency.toLowerCase()], values)
}

function hourText(hour) {
  return LANGUAGE === "en" ? `${String(hour).padStart(2, "0")}:00` : `${hour}\u00a0h`
}

function weekdayText(name) {
  const day = new Date(Date.UTC(2024, 0, 1 + WEEKDAYS.indexOf(name))) // a Monday and what follows it
  return new Intl.DateTimeFormat(LANGUAGE, { weekday: "long", timeZone: "UTC" }).format(day)
}

/** Executes a mutation of what is saved, and shows what is saved then. */
async function keep(name, field, input, done) {
  try {
    const { data } = await request(name, { input })
    const problems = data[field].userErrors
    if (problems.length) throw new Error(problems.map((each) => each.message).join(" "))
    const id = data[field].savedQuery?.id ?? (field === "savedQueryDelete" ? "" : FORM.saved.value)
    await load()
    FORM.saved.value = id
    showForm()
    PLACE.kept.textContent = done
  } catch (error) {
    PLACE.kept.textContent = error.message
  }
}

function newKey() {
  return crypto.randomUUID?.() ?? String(Math.random())
}

FORM["save-new"].addEventListener("click", () =>
  keep("Save", "savedQueryCreate", { name: FORM.name.value, query: input(), isShared: FORM.isShared.checked, idempotencyKey: newKey() }, TEXTS.saved),
)
FORM.save.addEventListener("click", () =>
  keep("Change", "savedQueryUpdate", { savedQueryId: FORM.saved.value, name: FORM.name.value, query: input(), isShared: FORM.isShared.checked }, TEXTS.saved),
)
FORM.delete.addEventListener("click", () => keep("Delete", "savedQueryDelete", { savedQueryId: FORM.saved.value }, TEXTS.deleted))
FORM.schedule.addEventListener("click", () => {
  const { frequency } = FORM
  keep(
    "Schedule",
    "queryScheduleCreate",
    {
      savedQueryId: FORM.saved.value,
      frequency: frequency.value,
      hour: Number(FORM.hour.value),
      weekday: frequency.value === "WEEKLY" ? FORM.weekday.value : null,
      dayOfMonth: frequency.value === "MONTHLY" ? Number(FORM.dayOfMonth.value) : null,
      recipientEmail: FORM.recipientEmail.value || null,
      idempotencyKey: newKey(),
    },
    TEXTS.scheduled,
  )
})

// Page

PLACE.query.addEventListener("submit", (event) => {
  event.preventDefault()
  const whole = input()
  run(whole, titleOf(whole)).catch(() => {})
})
FORM.saved.addEventListener("change", choose)
FORM.fact.addEventListener("change", () => {
  query = { fact: FORM.fact.value, ...newInput() }
  showForm()
})
FORM["add-measure"].addEventListener("click", () => {
  query.measures.push({ function: "DISTINCT", of: "COMPANY" })
  showForm()
})
FORM["add-dimension"].addEventListener("click", () => {
  query.by.push(Object.keys(dimensionLabels()).find((name) => !query.by.includes(name) && name in fact().dimensions))
  showForm()
})
FORM["add-filter"].addEventListener("click", () => {
  const name = Object.keys(fact().dimensions).find((each) => !(camel(each) in query.where))
  if (name) query.where[camel(name)] = { in: [] }
  showForm()
})
for (const name of ["range", "number", "period", "since", "until", "compare", "fillGaps"])
  FORM[name].addEventListener("change", () => {
    Object.assign(query, Object.values(input())[0], { where: query.where })
    if (FORM.range.value === "last") query.since = query.until = null
    else query.last = null
    showRange()
  })
FORM.frequency.addEventListener("change", showKept)
FORM_OF_RESULT.kind.addEventListener("change", showChart)
FORM_OF_RESULT.measure.addEventListener("change", showChart)
FORM_OF_RESULT.csv.addEventListener("click", () => download("csvUrl").catch((error) => (PLACE.message.textContent = error.message)))
FORM_OF_RESULT.parquet.addEventListener("click", () => download("parquetUrl").catch((error) => (PLACE.message.textContent = error.message)))
FORM_OF_RESULT.png.addEventListener("click", () => picture("png"))
FORM_OF_RESULT.svg.addEventListener("click", () => picture("svg"))
DARK.addEventListener("change", () => shown && showChart())
let resizing = null
addEventListener("resize", () => {
  clearTimeout(resizing)
  resizing = setTimeout(() => shown && showChart(), 200)
})
options(FORM.hour, Object.fromEntries(Array.from({ length: 24 }, (_, hour) => [` ${hour}`, hourText(hour)])), " 8") // keys in this order
options(FORM.weekday, Object.fromEntries(WEEKDAYS.map((name) => [name, weekdayText(name)])), "MONDAY")

/** Shows what the signed-in person may see, and what the page's address asks for. */
async function start() {
  const isSignedIn = document.body.classList.contains("signed-in")
  PLACE.work.hidden = true
  if (!isSignedIn) {
    PLACE.message.textContent = TEXTS.signIn
    document.getElementById("sign-in").open = true
    return
  }
  try {
    await load()
  } catch {
    PLACE.message.textContent = TEXTS.analystsOnly
    return
  }
  PLACE.message.textContent = ""
  PLACE.work.hidden = false
  const token = new URLSearchParams(location.search).get("report")
  document.body.classList.toggle("report", Boolean(token)) // it comes before the form on a phone
  if (token) await openReport(token)
  else showForm()
}

async function openReport(token) {
  try {
    const { analyticsReport } = (await request("Report", { token })).data
    const whole = JSON.parse(analyticsReport.query)
    read(whole)
    showForm()
    await run(whole, analyticsReport.name)
    if (location.hash === "#csv") await download("csvUrl")
  } catch (error) {
    showForm()
    PLACE.message.textContent = error.message
  }
}

sessionChanged = start
lookUp()
  .then(start)
  .catch(() => show(null, BAR.dataset.unreachable))
