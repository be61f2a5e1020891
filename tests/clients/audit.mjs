// Runs graphql-http's server audits and prints each as one JSON object: {id, name, status, reason}.
// Arguments: the graph's address, and a token, since the audits look at the schema.
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
