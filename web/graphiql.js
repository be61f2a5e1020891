/* GraphiQL on the graph's own address: queries and mutations over HTTP, subscriptions over graphql-transport-ws. */

const ENDPOINT = location.pathname

const WELCOME = document.getElementById("welcome").content.textContent

const SIGN_IN = `mutation SignIn($input: SessionSignInInput!) {
  sessionSignIn(input: $input) { session { accessToken } userErrors { message } }
}`

/** One operation over HTTP; the answer's JSON, whatever the status: GraphQL's errors are in it. */
async function ask(body, headers = {}) {
  const response = await fetch(ENDPOINT, {
    method: "POST",
    headers: { Accept: "application/graphql-response+json, application/json", "Content-Type": "application/json", ...headers },
    body: JSON.stringify(body),
  })
  return response.json()
}

/** The events of one subscription. A socket of its own, since connection_init says once who is asking. */
function follow(payload, headers = {}) {
  const url = new URL(ENDPOINT, location.href)
  url.protocol = url.protocol.replace("http", "ws")
  const authorization = Object.entries(headers).find(([name]) => name.toLowerCase() === "authorization")?.[1]
  const client = graphqlWs.createClient({
    url: url.href,
    connectionParams: authorization ? { authorization } : {},
    retryAttempts: 0, // a socket cut in mid-stream must show: only the reader knows the cursor to resume from
  })
  return client.iterate(payload)
}

function fetcher(params, { headers, documentAST } = {}) {
  return isSubscription(documentAST, params.operationName) ? follow(params, headers) : ask(params, headers)
}

function isSubscription(document, name) {
  const operations = document?.definitions.filter((each) => each.kind === "OperationDefinition") ?? []
  const chosen = name ? operations.find((each) => each.name?.value === name) : operations[0]
  return chosen?.operation === "subscription"
}

const EXPLORER = GraphiQLPluginExplorer.explorerPlugin({ showAttribution: false })

function Page() {
  return React.createElement(
    GraphiQL,
    {
      fetcher,
      plugins: [EXPLORER],
      defaultQuery: WELCOME,
      defaultEditorToolsVisibility: "headers",
      shouldPersistHeaders: false, // a token on a shared computer must not outlive the page
      showPersistHeadersSettings: false,
    },
    React.createElement(GraphiQL.Toolbar, null, ({ prettify, merge, copy }) => [prettify, merge, copy, TOKEN]),
  )
}

/** Keeps the headers editor in step with who is signed in. In the toolbar, since only what GraphiQL holds can reach it. */
function Token() {
  const { headerEditor } = GraphiQL.React.useEditorContext({ nonNull: true })
  React.useEffect(() => onSignIn((token) => headerEditor.setValue(withToken(headerEditor.getValue(), token))), [headerEditor])
  return null
}

const TOKEN = React.createElement(Token, { key: "token" })

/** The headers editor's text with the token in it; other headers stay. */
function withToken(text, token) {
  let headers = {}
  try {
    headers = JSON.parse(text || "{}")
  } catch {
    // what is no JSON is no header either
  }
  return JSON.stringify({ ...headers, Authorization: `Bearer ${token}` }, null, 2)
}

function onSignIn(use) {
  const form = document.getElementById("sign-in")
  const submitted = async (event) => {
    event.preventDefault()
    form.querySelector("output").value = await signIn(form, use)
  }
  form.addEventListener("submit", submitted)
  return () => form.removeEventListener("submit", submitted)
}

/** Signs in; what to tell the person. */
async function signIn(form, use) {
  const { email, password, code } = Object.fromEntries(new FormData(form))
  try {
    const { data, errors } = await ask({ query: SIGN_IN, variables: { input: { email, password, code: code || null } } })
    const faults = [...(errors ?? []), ...(data?.sessionSignIn?.userErrors ?? [])]
    if (faults.length) return faults.map((each) => each.message).join(" ")
    use(data.sessionSignIn.session.accessToken)
    form.elements.password.value = form.elements.code.value = ""
    return `${form.dataset.signedIn} ${email}`
  } catch {
    return form.dataset.unreachable
  }
}

/** By its button, once it is there, as a person would: GraphiQL 4's `visiblePlugin` chooses a side and leaves it folded. */
function openExplorer(place) {
  const observer = new MutationObserver(() => {
    const button = place.querySelector(`button[aria-label="Show ${EXPLORER.title}"]`)
    if (!button) return
    observer.disconnect()
    button.click()
  })
  observer.observe(place, { childList: true, subtree: true })
}

const place = document.getElementById("graphiql")
openExplorer(place)
ReactDOM.createRoot(place).render(React.createElement(Page))
