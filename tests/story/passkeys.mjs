// A person's browser with a virtual authenticator (WebAuthn through Chromium's own protocol): makes a passkey, signs in by it
// alone and as the second factor, steps up, and can't use it from a page of another host. Prints what was seen as one JSON object.
// Arguments: the server's address (its host is localhost), another address of it, e-mail, password.
import { launch } from "../web/browser.mjs"

const [address, elsewhere, email, password] = process.argv.slice(2)
const browser = await launch()
const page = await (await browser.newContext()).newPage()
const protocol = await page.context().newCDPSession(page)
await protocol.send("WebAuthn.enable")
const { authenticatorId } = await protocol.send("WebAuthn.addVirtualAuthenticator", {
  options: {
    protocol: "ctap2", transport: "internal", hasResidentKey: true, hasUserVerification: true, isUserVerified: true,
    automaticPresenceSimulation: true,
  },
})

/** What runs in the page: one mutation's payload. */
async function ask([name, kind, input, selected, token]) {
  const head = input ? `mutation($i: ${kind}!) { ${name}(input: $i)` : `mutation { ${name}`
  const body = JSON.stringify({ query: `${head} { ${selected} userErrors { code } } }`, variables: { i: input } })
  const headers = { "content-type": "application/json", ...(token ? { authorization: `Bearer ${token}` } : {}) }
  const { data, errors } = await (await fetch("/graphql", { method: "POST", headers, body })).json()
  return data?.[name] ?? { userErrors: errors }
}

/** What runs in the page: the browser's answer to options, as text, or the name of what went wrong. */
async function prove([how, options]) {
  try {
    const parsed = JSON.parse(options)
    const made = how === "create"
      ? await navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(parsed) })
      : await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(parsed) })
    return JSON.stringify(made.toJSON())
  } catch (error) {
    return error.name
  }
}

const call = (...given) => page.evaluate(ask, given)
const options = async () => (await call("passkeyChallenge", null, null, "options")).options
const answer = async () => page.evaluate(prove, ["get", await options()])
const codes = (payload) => payload.userErrors.map((error) => error.code)
const seen = {}
try {
  await page.goto(`${address}/graphql`)
  const signedIn = await call("sessionSignIn", "SessionSignInInput", { email, password }, "session { accessToken }")
  const token = signedIn.session.accessToken
  seen.unproved = codes(await call("passkeyBegin", null, null, "options", token))
  await call("sessionStepUp", "SessionStepUpInput", { password }, "stepUpExpiresAt", token)
  const begun = await call("passkeyBegin", null, null, "options", token)
  const made = await page.evaluate(prove, ["create", begun.options])
  const registered = await call("passkeyRegister", "PasskeyRegisterInput", { passkey: made, name: "Portable" },
    "authenticator { kind name } recoveryCodes", token)
  seen.registered = { ...registered.authenticator, codes: registered.recoveryCodes?.length }
  seen.replayed = codes(await call("passkeyRegister", "PasskeyRegisterInput", { passkey: made }, "recoveryCodes", token))

  const alone = "sessionSignInWithPasskey", kind = "SessionSignInWithPasskeyInput", who = "session { accessToken } user { email }"
  const passkey = await answer()
  const entered = await call(alone, kind, { passkey }, who)
  seen.alone = entered.user?.email
  seen.twice = codes(await call(alone, kind, { passkey }, who))
  seen.passwordAlone = codes(await call("sessionSignIn", "SessionSignInInput", { email, password }, who))
  const second = { email, password, passkey: await answer() }
  seen.second = (await call("sessionSignIn", "SessionSignInInput", second, who)).user?.email
  const fresh = { passkey: await answer() }
  seen.steppedUp = Boolean((await call("sessionStepUp", "SessionStepUpInput", fresh, "stepUpExpiresAt", entered.session.accessToken)).stepUpExpiresAt)

  await protocol.send("WebAuthn.setUserVerified", { authenticatorId, isUserVerified: false })
  seen.unverified = await answer()
  await protocol.send("WebAuthn.setUserVerified", { authenticatorId, isUserVerified: true })
  const asked = await options()
  await page.goto(`${elsewhere}/graphql`)
  seen.elsewhere = await page.evaluate(prove, ["get", asked])
} finally {
  await browser.close()
}
console.log(JSON.stringify(seen))
