// Runs the server audits of graphql-http and prints each result as a JSON object: {id, name, status, reason}.
// Arguments: the URL of the GraphQL endpoint, and an access token, because the audits read the schema.
import { auditServer } from "graphql-http"

const [url, token] = process.argv.slice(2)
const fetchFn = (address, init = {}) => {
  const headers = new Headers(init.headers)
  headers.set("authorization", `Bearer ${token}`)
  return fetch(address, { ...init, headers })
}
for (const { id, name, status, reason } of await auditServer({ url, fetchFn })) {
  console.log(JSON.stringify({ id, name, status, reason }))
}
