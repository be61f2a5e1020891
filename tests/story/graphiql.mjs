// Uses GraphiQL as a person would who has an account: password, passkey, several tabs, an expired session, a subscription, a
// narrow screen. Prints what was seen as one JSON object.
// Arguments: the page's address (its host is localhost), email, password, folder for screenshots (optional).
import { launch } from "../web/browser.mjs"

const [address, email, password, screenshots] = process.argv.slice(2)
const browser = await launch()
const context = await browser.newContext({ viewport: { width: 1400, height: 850 }, locale: "fr-FR" })
context.setDefaultTimeout(100_000)
const page = await context.newPage()
const seen = { console: [] }
page.on("console", (message) => ["error", "warning"].includes(message.type()) && seen.console.push(message.text()))
page.on("pageerror", (error) => seen.console.push(String(error)))

try {
  await visit()
} catch (error) {
  seen.failure = String(error)
} finally {
  if (screenshots) await page.screenshot({ path: `${screenshots}/end.png` })
  await browser.close()
  console.log(JSON.stringify(seen))
}

async function visit() {
  await page.goto(address)
  await page.waitForFunction(() => document.activeElement.closest(".graphiql-query-editor"))
  await page.locator("#sign-in").waitFor() // nobody is signed in
  seen.schemaOfStrangers = await page.locator(".graphiql-explorer-root").count()
  seen.hint = await shown("schéma")

  seen.refused = await signIn("not my password")
  await signIn(password)
  await signedIn(page)
  await page.locator(".graphiql-explorer-root").getByText("offers").first().waitFor()
  await page.waitForFunction(() => !document.querySelector(".result-window .CodeMirror").CodeMirror.getValue())
  seen.scripts = await page.evaluate(() => document.cookie)

  const tab = await context.newPage()
  await tab.goto(address)
  await signedIn(tab)
  seen.otherTab = await tab.locator("#signed-in b").innerText()

  seen.cost = await dryRun()
  await context.clearCookies({ name: "camcha_access" }) // as when it expires
  seen.afterExpiry = JSON.parse(await run("{ viewer { user { email } } }", "viewer")).data.viewer.user.email

  const { ticketOpen } = await call(`mutation { ticketOpen(input: {channel: CHAT, subject: "Une question", body: "Bonjour", idempotencyKey: "1"}) { ticket { id } userErrors { message } } }`)
  const { id } = ticketOpen.ticket
  await context.clearCookies({ name: "camcha_access" }) // the socket is refused, then opened again
  await run(`subscription { ticketEvents(ticketId: "${id}", after: 0) { sequence message { body } } }`, "Bonjour")
  await call(`mutation { ticketReply(input: {ticketId: "${id}", body: "Il y a quelqu’un ?", clientMessageId: "2"}) { userErrors { message } } }`)
  const events = Object.values(JSON.parse(await shown("Il y a quelqu’un ?")))
  seen.events = events.map(({ data }) => data.ticketEvents.message?.body ?? null)
  await page.click(".graphiql-execute-button") // stops it

  await makePasskey()
  await page.click("[name=sign-out]")
  await tab.locator("#sign-in summary").waitFor() // the other tab knows
  seen.cookies = (await context.cookies()).map((cookie) => cookie.name)
  seen.nobody = JSON.parse(await run("{ viewer { user { email } } }", '"viewer": null')).data.viewer
  await page.click("#sign-in summary")
  await page.click("[name=passkey]")
  await signedIn(page)
  seen.byPasskey = await page.locator("#signed-in b").innerText()

  await page.setViewportSize({ width: 390, height: 844 })
  await run("{ offers { nodes { name } } }", "nodes")
  seen.narrow = await page.evaluate(() => ({
    overflow: document.documentElement.scrollWidth > innerWidth,
    widths: [".graphiql-query-editor", ".result-window"].map((each) => document.querySelector(each).clientWidth >= 300),
  }))
}

async function signedIn(page) {
  await page.locator("#signed-in b").filter({ hasText: email }).waitFor()
}

async function signIn(secret) {
  const told = page.locator("#bar output")
  if (!(await page.locator("#sign-in").getAttribute("open"))) await page.locator("#sign-in").evaluate((each) => (each.open = true))
  await page.fill("[name=email]", email)
  await page.fill("[name=password]", secret)
  await told.evaluate((output) => (output.value = ""))
  await page.click("#sign-in form button:not([type])")
  if (secret === password) return ""
  await told.filter({ hasText: /./ }).waitFor()
  return told.innerText()
}

/** The answer with {"dryRun": true} as extensions, and what is told about extensions that are no JSON. */
async function dryRun() {
  await page.fill("[name=extensions]", '{"dryRun": true}')
  const answer = JSON.parse(await run("{ offers { nodes { name } } }", '"data": null'))
  await page.fill("[name=extensions]", "dryRun")
  const told = await run("{ offers { nodes { slug } } }", "JSON")
  await page.fill("[name=extensions]", "")
  return { requested: answer.extensions.cost.requested, told: told.includes("Les extensions doivent être un objet JSON.") }
}

/** Registers a passkey in a virtual authenticator, as an app would. */
async function makePasskey() {
  const protocol = await context.newCDPSession(page)
  await protocol.send("WebAuthn.enable")
  await protocol.send("WebAuthn.addVirtualAuthenticator", {
    options: {
      protocol: "ctap2", transport: "internal", hasResidentKey: true, hasUserVerification: true, isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  })
  await call("mutation($i: SessionStepUpInput!) { sessionStepUp(input: $i) { stepUpExpiresAt } }", { i: { password } })
  const { passkeyBegin } = await call("mutation { passkeyBegin { options userErrors { message } } }")
  const passkey = await page.evaluate(async (options) => {
    const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(JSON.parse(options))
    return JSON.stringify((await navigator.credentials.create({ publicKey })).toJSON())
  }, passkeyBegin.options)
  await call("mutation($i: PasskeyRegisterInput!) { passkeyRegister(input: $i) { userErrors { message } } }", { i: { passkey, name: "x" } })
}

/** The data of an operation that the page itself sends, with its cookies. */
async function call(query, variables) {
  const { data } = await page.evaluate((body) => ask(body), { query, variables })
  return data
}

/** Replaces the query, runs it, and waits for an answer with `expected` in it. */
async function run(query, expected) {
  await page.click(".graphiql-query-editor .CodeMirror")
  await page.keyboard.press("Control+A")
  await page.keyboard.insertText(query)
  await page.waitForTimeout(300) // GraphiQL reads what operations there are a moment after the last key
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
