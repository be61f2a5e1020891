// Signs in by cookies on a page of the server's, then tries to use them from a page of the same site but another origin.
// Prints what was seen as one JSON object. Arguments: the server's address, e-mail, password.
import { createServer } from "node:http"
import { launch } from "../web/browser.mjs"

const [address, email, password] = process.argv.slice(2)
const attacker = createServer((_, answer) => answer.setHeader("content-type", "text/html").end("<p>elsewhere</p>"))
await new Promise((listening) => attacker.listen(0, "127.0.0.1", listening))
const browser = await launch()
const context = await browser.newContext()
const page = await context.newPage()
const seen = {}

/** What runs in the page: one operation by HTTP. */
async function ask([query, variables]) {
  const body = JSON.stringify({ query, variables })
  const answer = await fetch("/graphql", { method: "POST", headers: { "content-type": "application/json" }, body })
  return answer.json()
}

/** What runs in the page: one operation by websocket, or "refused". */
function askBySocket([url, query]) {
  return new Promise((tell) => {
    const socket = new WebSocket(url, "graphql-transport-ws")
    socket.onopen = () => socket.send(JSON.stringify({ type: "connection_init" }))
    socket.onerror = socket.onclose = () => tell("refused")
    socket.onmessage = ({ data }) => {
      const message = JSON.parse(data)
      if (message.type === "connection_ack")
        socket.send(JSON.stringify({ id: "1", type: "subscribe", payload: { query } }))
      if (message.type === "next") tell(message.payload.data.viewer?.user.email ?? "nobody")
    }
  })
}

/** What runs in the other page: reading, sending blindly what a page may send anywhere, and a socket. */
async function attack([url, query, mutation]) {
  const body = (text) => JSON.stringify({ query: text })
  const json = { method: "POST", credentials: "include", headers: { "content-type": "application/json" } }
  const read = await fetch(url, { ...json, body: body(query) }).then(() => "read", () => "refused")
  const blind = { method: "POST", credentials: "include", mode: "no-cors", body: body(mutation) }
  return { read, blind: await fetch(url, blind).then(() => "sent", () => "refused") }
}

/** What runs in a page of the same machine under its other name: signing in by cookies; the error's code. */
async function signInAt([url, query, i]) {
  const json = { method: "POST", credentials: "include", headers: { "content-type": "application/json" } }
  const answer = await fetch(url, { ...json, body: JSON.stringify({ query, variables: { i } }) })
  return (await answer.json()).data.sessionSignIn.userErrors[0]?.code
}

const WHO = "{ viewer { user { email } } }"
const OPEN = `mutation { ticketOpen(input: {channel: CHAT, subject: "x", body: "x", idempotencyKey: "x"}) { ticket { id } } }`
const socketAddress = address.replace("http", "ws") + "/graphql"
try {
  await page.goto(`${address}/graphql`)
  const signIn = "mutation($i: SessionSignInInput!) { sessionSignIn(input: $i) { session { accessToken } userErrors { code } } }"
  await page.evaluate(ask, [signIn, { i: { email, password, deliver: "COOKIE" } }])
  seen.scripts = await page.evaluate(() => document.cookie)
  seen.kept = (await context.cookies()).map((cookie) => cookie.name).sort()
  seen.who = (await page.evaluate(ask, [WHO])).data.viewer.user.email
  seen.socket = await page.evaluate(askBySocket, [socketAddress, WHO])

  const other = await context.newPage()
  await other.goto(`http://127.0.0.1:${attacker.address().port}/`)
  seen.elsewhere = await other.evaluate(attack, [`${address}/graphql`, WHO, OPEN])
  seen.elsewhere.socket = await other.evaluate(askBySocket, [socketAddress, WHO])
  const tickets = await page.evaluate(ask, ["{ tickets { nodes { id } } }"])
  seen.tickets = tickets.data.tickets.nodes.length
  const localhost = await context.newPage()
  await localhost.goto(`http://localhost:${new URL(address).port}/healthz`) // without a policy about scripts
  seen.localhost = await localhost.evaluate(signInAt, [`${address}/graphql`, signIn, { email, password, deliver: "COOKIE" }])
  seen.after = (await page.evaluate(ask, [WHO])).data.viewer.user.email
} finally {
  await browser.close()
  attacker.close()
}
console.log(JSON.stringify(seen))
