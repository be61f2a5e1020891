// A browser runs the service worker of docs/clients: node push.mjs ADDRESS, with the payloads on standard input. Prints JSON:
// what was shown for each, and what subscribing returns where notifications aren't available.
import { readFileSync } from "node:fs"
import { launch } from "./browser.mjs"

const [address] = process.argv.slice(2)
const payloads = JSON.parse(readFileSync(0, "utf-8"))
const browser = await launch()
try {
  const page = await (await browser.newContext()).newPage()
  await page.goto(address)
  const cdp = await page.context().newCDPSession(page)
  const registered = new Promise((resolve) =>
    cdp.on("ServiceWorker.workerRegistrationUpdated", ({ registrations: [each] }) => each && resolve(each.registrationId)),
  )
  await cdp.send("ServiceWorker.enable")
  const unavailable = await page.evaluate(async () => {
    const { subscribeToNotifications } = await import("/notifications.js")
    return subscribeToNotifications(async () => ({ pushPublicKey: null }))
  })
  await page.evaluate(async () => {
    window.shown = []
    new BroadcastChannel("shown").onmessage = ({ data }) => window.shown.push(data)
    await navigator.serviceWorker.register("/service-worker.js")
    await navigator.serviceWorker.ready
  })
  const registrationId = await registered
  for (const data of payloads) await cdp.send("ServiceWorker.deliverPushMessage", { origin: address, registrationId, data })
  await page.waitForFunction((count) => window.shown.length === count, payloads.length)
  console.log(JSON.stringify({ shown: await page.evaluate(() => window.shown), unavailable }))
} finally {
  await browser.close()
}
