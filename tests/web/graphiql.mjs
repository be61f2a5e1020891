// Drives GraphiQL as a person would, and prints what was seen as one JSON object.
// Arguments: the page's address, an access token for the headers, and where to put a screenshot (optional).
import { launch } from "./browser.mjs"

const [address, token, screenshot] = process.argv.slice(2)
const browser = await launch()
const page = await browser.newPage({ viewport: { width: 1400, height: 850 }, locale: "fr-FR" })
page.setDefaultTimeout(100_000)
const seen = { console: [], hosts: new Set() }
page.on("console", (message) => ["error", "warning"].includes(message.type()) && seen.console.push(message.text()))
page.on("pageerror", (error) => seen.console.push(String(error)))
page.on("request", (request) => seen.hosts.add(new URL(request.url()).host))
page.on("websocket", (socket) => seen.hosts.add(new URL(socket.url()).host))

try {
  await visit()
} catch (error) {
  seen.failure = String(error)
} finally {
  if (screenshot) await page.screenshot({ path: screenshot })
  await browser.close()
  console.log(JSON.stringify({ ...seen, hosts: [...seen.hosts] }))
}

async function visit() {
  seen.status = (await page.goto(address)).status()
  await page.locator(".graphiql-explorer-root").getByText("offers").waitFor()
  seen.explorer = await page.locator(".graphiql-plugin").evaluate((side) => side.checkVisibility({ opacityProperty: true }))
  seen.query = await editor("query")
  seen.welcome = await run(undefined, "TPE Essentielle")

  await page.click("button:has-text('Headers')")
  await page.click(".graphiql-editor-tool .graphiql-editor:not(.hidden) .CodeMirror")
  await page.keyboard.insertText(JSON.stringify({ Authorization: `Bearer ${token}` }))
  seen.headers = await editor("headers")
  seen.caller = await run("{ caller }", "caller")

  seen.calls = [await run("subscription { calls }", "call 1 of")]
  const headers = { "content-type": "application/json" }
  await fetch(address, { method: "POST", headers, body: JSON.stringify({ query: "mutation { call }" }) })
  seen.calls.push(await shown("call 2 of"))
  seen.stillThere = await page.locator(".graphiql-explorer-root").isVisible()
}

/** The text of one of GraphiQL's four editors, which stand in this order. */
async function editor(name) {
  const place = ["query", "variables", "headers", "result"].indexOf(name)
  return page.evaluate((nth) => document.querySelectorAll(".CodeMirror")[nth].CodeMirror.getValue(), place)
}

/** Replaces the query, unless told none, runs it, and waits for an answer with `expected` in it. */
async function run(query, expected) {
  if (query) {
    await page.click(".graphiql-query-editor .CodeMirror")
    await page.keyboard.press("Control+A")
    await page.keyboard.insertText(query)
    await page.waitForTimeout(300) // GraphiQL reads what operations there are a moment after the last key
  }
  await page.click(".graphiql-execute-button")
  return shown(expected)
}

async function shown(expected) {
  const found = await page.waitForFunction((text) => {
    const result = document.querySelector(".result-window .CodeMirror").CodeMirror.getValue()
    return result.includes(text) && result
  }, expected)
  return found.jsonValue()
}
