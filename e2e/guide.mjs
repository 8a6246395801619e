// The guide's code blocks, read from its text.

import { existsSync, readFileSync } from "node:fs"

const shared = new URL("../../shared/guide.txt", import.meta.url)
const committed = new URL("../conformance/guide/testdata/browser.js", import.meta.url)

// blocks finds the code in the guide's text, which has no marks around it: a paragraph of prose starts with a capital
// letter, a paragraph of code never does. Paragraphs of code that follow each other are one block.
function blocks(text) {
  const found = []
  let inside = false
  for (const paragraph of text.split(/\n{2,}/)) {
    const code = !/^[A-Z]/.test(paragraph)
    if (code && inside) found.push(found.pop() + "\n\n" + paragraph)
    else if (code) found.push(paragraph)
    inside = code
  }
  return found.map((block) => block.trimEnd() + "\n")
}

// browserBlock returns the guide's JavaScript. Beside the guide's text, the committed copy must agree with it.
export function browserBlock() {
  const copy = readFileSync(committed, "utf8")
  if (existsSync(shared)) {
    const block = blocks(readFileSync(shared, "utf8")).find((block) => block.startsWith("const scheme"))
    if (block !== copy) throw new Error("conformance/guide/testdata/browser.js is not the guide's browser block")
  }
  return copy
}
