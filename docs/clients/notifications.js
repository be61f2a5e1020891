// Subscribes this browser to notifications. `request(document, variables)` sends an operation and returns its data.

const PUBLIC_KEY = "{ pushPublicKey }"
const SUBSCRIBE = `mutation Subscribe($input: PushDeviceSubscribeInput!) {
  pushDeviceSubscribe(input: $input) { pushDevice { id kinds } userErrors { code message } }
}`

/** Call it when the app starts and permission was given before, and when the user asks for notifications. */
export async function subscribeToNotifications(request) {
  const { pushPublicKey } = await request(PUBLIC_KEY)
  if (pushPublicKey === null || (await Notification.requestPermission()) !== "granted") return null
  const registration = await navigator.serviceWorker.register("/service-worker.js")
  await navigator.serviceWorker.ready
  const { endpoint, keys } = (await subscription(registration, pushPublicKey)).toJSON()
  const input = { endpoint, p256dh: keys.p256dh, auth: keys.auth }
  return (await request(SUBSCRIBE, { input })).pushDeviceSubscribe.pushDevice
}

async function subscription(registration, publicKey) {
  const current = await registration.pushManager.getSubscription()
  if (current && encoded(current.options.applicationServerKey) === publicKey) return current
  await current?.unsubscribe() // the server's key has changed
  return registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: publicKey })
}

function encoded(buffer) {
  const text = btoa(String.fromCharCode(...new Uint8Array(buffer)))
  return text.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "")
}
