// Fastify and Mercurius with graphql-jit, loaders and a pg pool, as an experienced user writes it.
// Run as `node bench/peers/mercurius.js DATABASE_URL PORT AGENT`. It needs no sign-in: that agent is the author of all messages.
import Fastify from "fastify"
import { GraphQLScalarType } from "graphql"
import mercurius from "mercurius"
import pg from "pg"

const [url, port, agent] = process.argv.slice(2)
pg.types.setTypeParser(pg.types.builtins.INT8, Number)
pg.types.setTypeParser(pg.types.builtins.DATE, (text) => text)
const pool = new pg.Pool({ connectionString: url, max: 10, idleTimeoutMillis: 0 })
const rows = async (name, text, values = [], db = pool) => (await db.query({ name, text, values })).rows // prepared by name

const schema = `
  scalar BigInt
  scalar Date
  scalar DateTime
  enum Segment { TPE PME }
  enum Channel { CHAT EMAIL PHONE WEB }
  enum TicketStatus { NEW OPEN PENDING ON_HOLD SOLVED CLOSED }
  enum EventKind { TICKET_OPENED MESSAGE_POSTED TICKET_ASSIGNED STATUS_CHANGED }
  interface Node { id: ID! }
  type Money { amountCents: BigInt! currency: String! }
  type Offer implements Node { id: ID! slug: String! segment: Segment! name: String! description: String! }
  type InvoiceLine { position: Int! label: String! quantity: Int! net: Money! }
  type Invoice implements Node {
    id: ID! number: String! issuedOn: Date! dueOn: Date! sha256: String! net: Money! vat: Money! gross: Money!
    lines: [InvoiceLine!]!
  }
  type InvoiceConnection { nodes: [Invoice!]! }
  type Account implements Node { id: ID! legalName: String! siren: String! invoices(first: Int = 20): InvoiceConnection! }
  type User { name: String! }
  type Message { sequence: BigInt! body: String! at: DateTime! fromStaff: Boolean! }
  type Ticket implements Node {
    id: ID! number: String! subject: String! status: TicketStatus! channel: Channel! updatedAt: DateTime!
    account: Account! assignee: User lastMessage: Message
  }
  type TicketConnection { nodes: [Ticket!]! }
  type Purchase implements Node { id: ID! invoices: [Invoice!]! }
  type PurchaseConnection { nodes: [Purchase!]! }
  type TicketEvent { sequence: BigInt! kind: EventKind! message: Message }
  type UserError { code: String! }
  type TicketReplyPayload { message: Message userErrors: [UserError!]! }
  input TicketReplyInput { ticketId: ID! body: String! clientMessageId: String! }
  type Query {
    offer(slug: String!): Offer
    node(id: ID!): Node
    tickets(first: Int = 20): TicketConnection!
    purchases(first: Int = 20): PurchaseConnection!
  }
  type Mutation { ticketReply(input: TicketReplyInput!): TicketReplyPayload! }
  type Subscription { ticketEvents(ticketId: ID!): TicketEvent! }
`

const globalId = (kind) => (row) => Buffer.from(`${kind}:${row.id}`).toString("base64url")
const keyOf = (id) => Number(Buffer.from(id, "base64url").toString().split(":")[1])
const money = (column) => (row) => ({ amountCents: row[column], currency: "EUR" })
const year = new Intl.DateTimeFormat("fr", { timeZone: "Europe/Paris", year: "numeric" })
const scalar = (name, serialize = (value) => value) => new GraphQLScalarType({ name, serialize })

const INVOICE = `id, number, issued_on AS "issuedOn", due_on AS "dueOn", sha256, net_cents, vat_cents, gross_cents`
const MESSAGE = `ticket_id, sequence, body, at, from_staff AS "fromStaff"`
const TICKET = `id, account_id, assignee_id, subject, status, channel, created_at, updated_at AS "updatedAt"`

const resolvers = {
  BigInt: scalar("BigInt"),
  Date: scalar("Date"),
  DateTime: scalar("DateTime", (value) => value.toISOString().replace(/(\.000)?Z$/, "+00:00")),
  Node: { resolveType: () => "Account" },
  Offer: { id: globalId("Offer"), name: (row) => row.texts.fr.name, description: (row) => row.texts.fr.description },
  Account: { id: globalId("Account") },
  Invoice: { id: globalId("Invoice"), net: money("net_cents"), vat: money("vat_cents"), gross: money("gross_cents") },
  InvoiceLine: { net: money("net_cents") },
  Purchase: { id: globalId("Purchase") },
  Ticket: {
    id: globalId("Ticket"),
    number: (row) => `CAM-${year.format(row.created_at)}-${String(row.id).padStart(6, "0")}`,
  },
  Query: {
    offer: async (_, { slug }) => (await rows("offer", "SELECT id, slug, segment, texts FROM offer WHERE slug = $1", [slug]))[0],
    node: async (_, { id }) =>
      (await rows("account", `SELECT id, legal_name AS "legalName", siren FROM account WHERE id = $1`, [keyOf(id)]))[0],
    tickets: async (_, { first }) => ({
      nodes: await rows("tickets", `SELECT ${TICKET} FROM ticket ORDER BY updated_at DESC, id DESC LIMIT $1`, [first]),
    }),
    purchases: async (_, { first }) => ({
      nodes: await rows("purchases", "SELECT id FROM purchase ORDER BY created_at DESC, id DESC LIMIT $1", [first]),
    }),
  },
  Mutation: {
    ticketReply: async (_, { input }, { pubsub }) => {
      const message = await storeMessage(keyOf(input.ticketId), input.body.trim(), input.clientMessageId)
      const ticketEvents = { sequence: message.sequence, kind: "MESSAGE_POSTED", message }
      await pubsub.publish({ topic: input.ticketId, payload: { ticketEvents } })
      return { message, userErrors: [] }
    },
  },
  Subscription: {
    ticketEvents: { subscribe: (_, { ticketId }, { pubsub }) => pubsub.subscribe(ticketId) },
  },
}

// In one transaction: the next sequence with a lock on the stream's row, the message, its event, the ticket's times.
async function storeMessage(ticket, body, key) {
  const db = await pool.connect()
  const now = new Date()
  const stream = `ticket:${ticket}`
  try {
    await db.query("BEGIN")
    const next = "UPDATE stream SET last_sequence = last_sequence + 1 WHERE key = $1 RETURNING last_sequence"
    const [{ last_sequence: sequence }] = await rows("next", next, [stream], db)
    const insert = `INSERT INTO message (ticket_id, origin_id, author_id, sequence, body, from_staff, client_message_id, at)
      VALUES ($1, $1, $2, $3, $4, true, $5, $6) RETURNING id, ${MESSAGE}`
    const [message] = await rows("message", insert, [ticket, agent, sequence, body, key, now], db)
    const event = `INSERT INTO event (stream, sequence, kind, at, actor_id, ticket_id, message_id)
      VALUES ($1, $2, 'MESSAGE_POSTED', $3, $4, $5, $6)`
    await rows("event", event, [stream, sequence, now, agent, ticket, message.id], db)
    await rows("ticket", "UPDATE ticket SET updated_at = $1, reply_awaited_since = NULL WHERE id = $2", [now, ticket], db)
    await db.query("COMMIT")
    return message
  } catch (error) {
    await db.query("ROLLBACK")
    throw error
  } finally {
    db.release()
  }
}

const lists = (keys, column, rows) => {
  const byKey = new Map(keys.map((key) => [key, []]))
  for (const row of rows) byKey.get(row[column]).push(row)
  return keys.map((key) => byKey.get(key))
}
const each = (keys, column, rows) => {
  const byKey = new Map(rows.map((row) => [row[column], row]))
  return keys.map((key) => byKey.get(key) ?? null)
}
const loader = (load) => ({ loader: load, opts: { cache: false } }) // no request loads a row twice, so a cache would be useless
const keys = (queries, column) => queries.map(({ obj }) => obj[column])

const loaders = {
  Account: {
    invoices: loader(async (queries) => {
      const text = `SELECT v.* FROM unnest($1::BIGINT[]) a(id) CROSS JOIN LATERAL (SELECT account_id, ${INVOICE} FROM invoice JOIN invoice_document ON invoice_id = id
        WHERE account_id = a.id ORDER BY issued_at DESC, id DESC LIMIT $2) v`
      const invoices = await rows("account_invoices", text, [keys(queries, "id"), queries[0].params.first])
      return lists(keys(queries, "id"), "account_id", invoices).map((nodes) => ({ nodes }))
    }),
  },
  Invoice: {
    lines: loader(async (queries) => {
      const text = `SELECT invoice_id, position, label, quantity, net_cents FROM invoice_line
        WHERE invoice_id = ANY($1) ORDER BY position`
      return lists(keys(queries, "id"), "invoice_id", await rows("lines", text, [keys(queries, "id")]))
    }),
  },
  Purchase: {
    invoices: loader(async (queries) => {
      const text = `SELECT purchase_id, ${INVOICE} FROM invoice JOIN invoice_document ON invoice_id = id WHERE purchase_id = ANY($1) ORDER BY issued_at, id`
      return lists(keys(queries, "id"), "purchase_id", await rows("invoices", text, [keys(queries, "id")]))
    }),
  },
  Ticket: {
    account: loader(async (queries) => {
      const ids = keys(queries, "account_id")
      const text = `SELECT id, legal_name AS "legalName", siren FROM account WHERE id = ANY($1)`
      return each(ids, "id", await rows("accounts", text, [[...new Set(ids)]]))
    }),
    assignee: loader(async (queries) => {
      const ids = keys(queries, "assignee_id")
      const assigned = [...new Set(ids.filter((key) => key !== null))]
      return each(ids, "id", await rows("users", `SELECT id, name FROM "user" WHERE id = ANY($1)`, [assigned]))
    }),
    lastMessage: loader(async (queries) => {
      const text = `SELECT m.* FROM unnest($1::BIGINT[]) t(id) CROSS JOIN LATERAL (SELECT ${MESSAGE} FROM message
        WHERE ticket_id = t.id ORDER BY sequence DESC LIMIT 1) m`
      return each(keys(queries, "id"), "ticket_id", await rows("last", text, [keys(queries, "id")]))
    }),
  },
}

const app = Fastify()
app.register(mercurius, { schema, resolvers, loaders, jit: 1, subscription: true })
await app.listen({ host: "127.0.0.1", port: Number(port) })
for (const signal of ["SIGTERM", "SIGINT"]) process.once(signal, () => process.exit(0))
