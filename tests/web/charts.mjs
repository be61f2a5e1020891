// Uses the page of charts as an analyst would, and prints what was seen as one JSON object.
// Arguments: the page's address, an access token, a report's token, and a folder for pictures (optional).
import { launch } from "./browser.mjs"

const [address, token, report, pictures] = process.argv.slice(2)
const browser = await launch()
const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, locale: "fr-FR", colorScheme: "light", acceptDownloads: true })
context.setDefaultTimeout(100_000)
const page = await context.newPage()
const seen = { console: [], hosts: new Set(), kinds: {} }
page.on("console", (message) => ["error", "warning"].includes(message.type()) && seen.console.push(message.text()))
page.on("pageerror", (error) => seen.console.push(String(error)))
page.on("request", (request) => request.url().startsWith("http") && seen.hosts.add(new URL(request.url()).host))

try {
  await visit()
} catch (error) {
  seen.failure = String(error)
  await picture("failure")
} finally {
  await browser.close()
  console.log(JSON.stringify({ ...seen, hosts: [...seen.hosts] }))
}

async function picture(name) {
  if (pictures) await page.screenshot({ path: `${pictures}/${name}.png`, fullPage: true })
}

async function visit() {
  seen.status = (await page.goto(address)).status()
  await page.getByText("Connectez-vous pour voir les chiffres").waitFor()
  const { hostname } = new URL(address)
  await context.addCookies([{ name: "camcha_access", value: token, domain: hostname, path: "/", httpOnly: true, sameSite: "Strict" }])
  await page.reload()

  // A query of the form: revenue by month and segment, compared.
  await page.locator("[name=fact]").selectOption("revenue")
  await page.locator("#measures select").first().selectOption("SUM")
  await page.locator("[name=add-dimension]").click()
  await page.locator("#dimensions select").nth(1).selectOption("SEGMENT")
  await page.locator("[name=compare]").selectOption("PREVIOUS_PERIOD")
  await page.getByRole("button", { name: "Afficher" }).click()
  await page.locator("#chart svg").waitFor()
  seen.title = await page.locator("#result-title").innerText()
  seen.facts = await page.locator("#facts").innerText()
  seen.table = await tableTexts()
  seen.label = await page.locator("#chart").getAttribute("aria-label")
  for (const kind of ["bar", "line", "stack", "share"]) {
    await page.locator("[name=kind]").selectOption(kind)
    await page.locator("#chart svg").waitFor()
    seen.kinds[kind] = await page.locator("#chart svg :is(.mark-rect, .mark-line) path").count()
    await picture(kind)
  }
  seen.svg = await saveAs("[name=svg]")
  seen.png = await saveAs("[name=png]")
  seen.parquet = await saveAs("[name=parquet]")

  // Saved, sent, and chosen again.
  await page.locator("#keep summary").click()
  await page.locator("[name=name]").fill("CA par segment")
  await page.locator("[name=save-new]").click()
  await page.getByText("Enregistré.", { exact: true }).waitFor()
  await page.locator("[name=frequency]").selectOption("WEEKLY")
  await page.locator("[name=schedule]").click()
  seen.schedule = await page.locator("#schedules li span").innerText()
  await picture("kept")

  // The report that an email links to, with hidden numbers, in the dark on a phone.
  await page.emulateMedia({ colorScheme: "dark" })
  await page.setViewportSize({ width: 390, height: 844 })
  await page.goto(`${address}?report=${report}`)
  await page.locator("#chart svg").waitFor()
  seen.report = { title: await page.locator("#result-title").innerText(), table: await tableTexts(), note: await page.locator("#hidden-note").isVisible() }
  seen.narrow = await page.evaluate(() => document.documentElement.scrollWidth <= 390)
  seen.unlabelled = await page.evaluate(() =>
    [...document.querySelectorAll("main :is(select, input, button)")].filter((each) => !each.labels?.length && !each.textContent.trim() && !each.ariaLabel).map((each) => each.name),
  )
  await picture("phone")
}

async function tableTexts() {
  return page.locator("#scroll tr").evaluateAll((rows) => rows.map((row) => [...row.cells].map((cell) => cell.textContent)))
}

/** The name and the first characters of what a button downloads. */
async function saveAs(button) {
  const [download] = await Promise.all([page.waitForEvent("download"), page.locator(button).click()])
  const chunks = []
  for await (const chunk of await download.createReadStream()) chunks.push(chunk)
  return [download.suggestedFilename(), Buffer.concat(chunks).subarray(0, 4).toString("latin1")]
}
