/* The session of our pages for the staff: requests to the API and the sign-in bar.

   The session is in cookies that no script can read: it is shared by all tabs, and the page renews it. */

const BAR = document.getElementById("bar")
const OPERATIONS = JSON.parse(document.getElementById("operations").content.textContent)
const ENDPOINT = new URL(BAR.dataset.endpoint ?? location.pathname, location.href).pathname

// Requests

/** The answer to one operation; an expired session is renewed first. GraphQL's errors are in it, whatever its status. */
async function ask(body, headers = {}) {
  let response = await post(body, headers)
  if (response.headers.has("www-authenticate") && !authorizationOf(headers) && (await renew())) response = await post(body, headers)
  return response.json()
}

function post(body, headers = {}) {
  return fetch(ENDPOINT, {
    method: "POST",
    headers: {
      Accept: "application/graphql-response+json, application/json",
      "Accept-Language": document.documentElement.lang, // the page's own
      "Content-Type": "application/json",
      ...headers,
    },
    body: JSON.stringify(body),
  })
}

function authorizationOf(headers) {
  return Object.entries(headers).find(([name]) => name.toLowerCase() === "authorization")?.[1]
}

let renewal = null

/** Renews the session, once for all who ask meanwhile. Whether there is one. */
function renew() {
  renewal ??= post({ query: OPERATIONS.Refresh })
    .then((response) => response.json())
    .then(({ data }) => Boolean(data?.sessionRefresh?.session))
    .then((renewed) => {
      if (!renewed) show(null, document.body.classList.contains("signed-in") ? BAR.dataset.ended : "")
      return renewed
    })
    .finally(() => (renewal = null))
  return renewal
}

// Session

const tabs = new BroadcastChannel("camcha session")
let sessionChanged = () => {} // set by the page once it is there

/** Shows who is signed in, null for nobody, and what to tell the person. */
function show(email, message = "") {
  document.body.classList.toggle("signed-in", Boolean(email))
  document.getElementById("sign-in").hidden = Boolean(email)
  document.getElementById("signed-in").hidden = !email
  BAR.querySelector("#signed-in b").textContent = email ?? ""
  BAR.querySelector("output").value = message
}

/** Looks up who is signed in, for example by another tab. */
async function lookUp() {
  const { data } = await ask({ query: OPERATIONS.SignedIn })
  show(data?.viewer?.user?.email ?? null)
}

/** Executes one of the page's own mutations. What it returned, or an Error with what to tell the person. */
async function mutate(name, field, input) {
  const { data, errors } = await ask({ query: OPERATIONS[name], variables: input ? { input } : {} }).catch(() => {
    throw new Error(BAR.dataset.unreachable)
  })
  const faults = [...(errors ?? []), ...(data?.[field]?.userErrors ?? [])]
  if (faults.length) throw new Error(faults.map((each) => each.message).join(" "))
  return data[field]
}

async function signInByPassword() {
  const form = BAR.querySelector("form")
  const { email, password, code } = Object.fromEntries(new FormData(form))
  const { user } = await mutate("SignIn", "sessionSignIn", { email, password, code: code || null, deliver: "COOKIE" })
  form.elements.password.value = form.elements.code.value = ""
  return user.email
}

async function signInByPasskey() {
  const { options } = await mutate("PasskeyChallenge", "passkeyChallenge")
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(JSON.parse(options))
  const passkey = await navigator.credentials.get({ publicKey }).catch((error) => {
    throw new Error(`${BAR.dataset.noPasskey} ${error.name === "NotAllowedError" ? "" : error.message}`.trim())
  })
  const input = { passkey: JSON.stringify(passkey.toJSON()), deliver: "COOKIE" }
  return (await mutate("SignInWithPasskey", "sessionSignInWithPasskey", input)).user.email
}

async function signOut() {
  await mutate("SignOut", "sessionSignOut")
  return null
}

/** Changes the session, and tells this page and the other tabs. */
async function change(how) {
  try {
    show(await how())
    document.getElementById("sign-in").open = false
    tabs.postMessage("changed")
    sessionChanged()
  } catch (error) {
    BAR.querySelector("output").value = error.message
  }
}

BAR.querySelector("form").addEventListener("submit", (event) => {
  event.preventDefault()
  change(signInByPassword)
})
BAR.querySelector("[name=passkey]").addEventListener("click", () => change(signInByPasskey))
BAR.querySelector("[name=sign-out]").addEventListener("click", () => change(signOut))
BAR.querySelector("[name=passkey]").hidden = !window.PublicKeyCredential?.parseRequestOptionsFromJSON
tabs.addEventListener("message", () => lookUp().then(sessionChanged))
