// Runs docs/clients/example.ts, compiled to JavaScript. Arguments: its path, the server's address, an email address, a password.
// Prints each event as one JSON object. A line on stdin lets it reconnect.
import { once } from "node:events"
import WebSocket from "ws"

globalThis.WebSocket = WebSocket // Node has its own from version 22 on
const [path, url, email, password] = process.argv.slice(2)
const { Camcha } = await import(path)
const print = (value) => console.log(JSON.stringify(value))

const camcha = new Camcha(`${url}/graphql`, () => {
  print({ disconnected: true })
  return once(process.stdin, "data")
})
print({ refused: await camcha.signIn(email, "wrong").catch(({ code, field }) => ({ code, field })) })
await camcha.signIn(email, password)
// A refresh beside other requests: the old access token stops working, and each refresh token works once.
const [ticketId] = await Promise.all([camcha.openTicket("Ma facture", "Bonjour", "example"), camcha.refresh(), camcha.refresh()])
const fileId = await camcha.upload("facture.txt", new Blob(["Facture"], { type: "text/plain" }))
const sequence = await camcha.reply(ticketId, "Voici la facture", "first", [fileId])
print({ ticketId, repeated: (await camcha.reply(ticketId, "Voici la facture", "first", [fileId])) === sequence })
try {
  for await (const event of camcha.ticketEvents(ticketId, 0, () => print({ reset: true }))) print({ event })
} catch ({ code }) {
  print({ ended: code })
}
await camcha.close()
process.stdin.destroy()
