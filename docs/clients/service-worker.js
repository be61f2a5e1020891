// Shows CAMCHA's notifications. Serve it from the root of your site as /service-worker.js.

self.addEventListener("push", (event) => {
  const { title, lang, tag, url } = event.data.json()
  // A later notification about the same replaces the first one, and may ring again.
  event.waitUntil(self.registration.showNotification(title, { lang, tag, renotify: true, data: { url } }))
})

self.addEventListener("notificationclick", (event) => {
  event.notification.close()
  event.waitUntil(open(event.notification.data.url ?? self.registration.scope))
})

async function open(url) {
  const windows = await self.clients.matchAll({ type: "window", includeUncontrolled: true })
  const shown = windows.find((window) => window.url === url)
  return shown ? shown.focus() : self.clients.openWindow(url)
}
