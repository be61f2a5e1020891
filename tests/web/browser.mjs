// The browser of the tests: Chromium from an npm package, with the libraries and the font that a bare machine lacks.
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { chromium as playwright } from "playwright-core"

const MODULES = fileURLToPath(new URL("../../node_modules", import.meta.url))
const CACHE = `${MODULES}/.cache` // npm empties it whenever the package changes
const HOME = `${CACHE}/chromium`

/** A headless browser, unpacked the first time, which takes about two seconds. */
export async function launch() {
  process.env.AWS_EXECUTION_ENV = "AWS_Lambda_nodejs22.x" // so that the package unpacks and uses its own libraries too
  process.env.TMPDIR = HOME // where it looks for them
  const { default: packed } = await import("@sparticuz/chromium")
  if (!existsSync(HOME)) await unpack(packed)
  process.env.FONTCONFIG_FILE = `${HOME}/fonts.conf`
  return playwright.launch({ executablePath: `${HOME}/chromium`, args: ["--no-sandbox", "--no-zygote", "--disable-gpu"] })
}

/** All or nothing: an interrupted unpacking leaves no half browser at home, and of two at once one wins. */
async function unpack(packed) {
  mkdirSync(CACHE, { recursive: true })
  process.env.TMPDIR = mkdtempSync(`${CACHE}/unpacking-`)
  await packed.executablePath()
  writeFileSync(`${process.env.TMPDIR}/fonts.conf`, fonts())
  try {
    renameSync(process.env.TMPDIR, HOME)
  } catch (error) {
    if (!existsSync(HOME)) throw error
    rmSync(process.env.TMPDIR, { recursive: true })
  }
  process.env.TMPDIR = HOME
}

/** The package's own list of fonts names fixed folders, and this Chromium dies where it finds no font at all. */
function fonts() {
  const home = HOME.replaceAll("&", "&amp;").replaceAll("<", "&lt;")
  return `<fontconfig><dir>${home}/fonts</dir><cachedir>${home}/fonts-cache</cachedir></fontconfig>\n`
}
