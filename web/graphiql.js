/* GraphiQL on the graph's own address: queries and mutations over HTTP, subscriptions over graphql-transport-ws. session.js has
   the session. */

const WELCOME = document.getElementById("welcome").content.textContent
const NARROW = matchMedia("(max-width: 700px)")
const MOST_EVENTS = 500 // of one subscription that stay listed
const RECONNECTIONS = 5 // in a row, after the connection was lost
const LOST = [1001, 1005, 1006, 1012, 1013, 1014] // close codes of a connection that may be opened again
const EXPIRED = [4401, 4403]

// Subscriptions

/** A subscription, as GraphiQL observes it: all events so far, one below the other. */
function follow(payload, headers = {}) {
  return {
    subscribe(sink) {
      const subscription = new Subscription(payload, authorizationOf(headers), sink)
      subscription.connect()
      return { unsubscribe: () => subscription.stop() }
    },
  }
}

/** Events of one subscription, over connections that follow each other. A socket of its own, since connection_init says
    once who is asking. */
class Subscription {
  constructor(payload, authorization, sink) {
    Object.assign(this, { payload, authorization, sink, events: [], stopped: false, failures: 0 })
  }

  connect() {
    const url = new URL(ENDPOINT, location.href)
    url.protocol = url.protocol.replace("http", "ws")
    const connectionParams = this.authorization ? { authorization: this.authorization } : {}
    const client = graphqlWs.createClient({ url: url.href, connectionParams, retryAttempts: 0 })
    this.dispose = client.subscribe(this.payload, {
      next: (result) => this.next(result),
      error: (error) => this.reconnect(error),
      complete: () => this.stopped || this.sink.complete(),
    })
  }

  stop() {
    this.stopped = true
    this.dispose()
  }

  next(result) {
    this.failures = 0
    const time = new Date().toLocaleTimeString(document.documentElement.lang)
    this.events.push([time, result])
    this.number = (this.number ?? 0) + 1
    if (this.events.length > MOST_EVENTS) this.events.shift()
    const first = this.number - this.events.length + 1
    this.sink.next(Object.fromEntries(this.events.map(([at, each], nth) => [`${first + nth} · ${at}`, each])))
    this.resumeAfter(result)
  }

  /** The next connection continues after this event, if the operation takes a cursor. */
  resumeAfter(result) {
    const sequence = Object.values(result.data ?? {}).find((each) => each?.sequence !== undefined)?.sequence
    if (sequence !== undefined && /\$after\b/.test(this.payload.query))
      this.payload = { ...this.payload, variables: { ...this.payload.variables, after: sequence } }
  }

  async reconnect(error) {
    if (this.stopped) return
    if (!(await this.mayReconnect(error?.code))) {
      this.sink.error(error?.code ? new Error(`${BAR.dataset.closed} (${error.code} ${error.reason})`) : error)
    } else if (!this.stopped) {
      this.connect()
    }
  }

  async mayReconnect(code) {
    if (!LOST.includes(code) && !EXPIRED.includes(code)) return false
    if (++this.failures > RECONNECTIONS) return false
    if (EXPIRED.includes(code)) return !this.authorization && renew().catch(() => false)
    await new Promise((resolve) => setTimeout(resolve, 500 * 2 ** this.failures))
    return true
  }
}

function fetcher(params, { headers, documentAST } = {}) {
  if (params.operationName === "IntrospectionQuery") return introspect(params, headers)
  const given = extensions()
  const body = given ? { ...params, extensions: given } : params
  return isSubscription(documentAST, params.operationName) ? follow(body, headers) : ask(body, headers)
}

/** The schema, or what to tell a stranger, who may not see it. */
async function introspect(params, headers) {
  const answer = await ask(params, headers)
  return answer.errors?.some((each) => each.extensions?.code === "FORBIDDEN") ? BAR.dataset.noSchema : answer
}

/** The request's extensions, such as {"dryRun": true}. */
function extensions() {
  const text = BAR.querySelector("[name=extensions]").value.trim()
  if (!text) return null
  try {
    const value = JSON.parse(text)
    if (value && typeof value === "object" && !Array.isArray(value)) return value
  } catch {
    // reported below
  }
  throw new Error(BAR.dataset.invalidExtensions)
}

function isSubscription(document, name) {
  const operations = document?.definitions.filter((each) => each.kind === "OperationDefinition") ?? []
  const chosen = name ? operations.find((each) => each.name?.value === name) : operations[0]
  return chosen?.operation === "subscription"
}

// Page

const EXPLORER = GraphiQLPluginExplorer.explorerPlugin({ showAttribution: false })

function Page() {
  return React.createElement(
    GraphiQL,
    {
      fetcher,
      plugins: [EXPLORER],
      defaultQuery: WELCOME,
      defaultEditorToolsVisibility: NARROW.matches ? false : "variables",
      shouldPersistHeaders: false, // a token on a shared computer must not outlive the page
      showPersistHeadersSettings: false,
    },
    React.createElement(GraphiQL.Toolbar, null, ({ prettify, merge, copy }) => [prettify, merge, copy, SESSION]),
  )
}

/** Reads the schema again when the session changes: strangers may not see it. In the toolbar, since only what GraphiQL
    holds can reach it. */
function Session() {
  const { introspect, fetchError } = GraphiQL.React.useSchemaStore()
  React.useEffect(() => void (sessionChanged = introspect), [introspect])
  React.useEffect(() => void (fetchError || clearHint()), [fetchError])
  return null
}

/** GraphiQL shows why there is no schema in place of a result, and leaves it there. */
function clearHint() {
  const result = place.querySelector(".result-window .CodeMirror")?.CodeMirror
  if (result?.getValue() === BAR.dataset.noSchema) result.setValue("")
}

const SESSION = React.createElement(Session, { key: "session" })

/** By its button, as a person would: GraphiQL 4's `visiblePlugin` chooses a side and leaves it folded. */
function openExplorer(place) {
  place.querySelector(`button[aria-label="Show ${EXPLORER.title}"]`)?.click()
}

/** Calls `then` once GraphiQL's query editor is there. */
function whenReady(place, then) {
  const observer = new MutationObserver(() => {
    const editor = place.querySelector(".graphiql-query-editor .CodeMirror")?.CodeMirror
    if (!editor || !place.querySelector(`button[aria-label="Show ${EXPLORER.title}"]`)) return
    observer.disconnect()
    then(editor)
  })
  observer.observe(place, { childList: true, subtree: true })
}

const place = document.getElementById("graphiql")
whenReady(place, (editor) => {
  if (NARROW.matches) editor.setOption("lineWrapping", true)
  else openExplorer(place)
  editor.focus()
})
lookUp().catch(() => show(null, BAR.dataset.unreachable))
ReactDOM.createRoot(place).render(React.createElement(Page))
