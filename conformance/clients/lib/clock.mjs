// The time that all processes of a run agree on, whatever their Date says.

export const now = () => performance.timeOrigin + performance.now()

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

// until asks again and again, and returns the first answer that is true; false after a time.
export async function until(ms, ask, every = 50) {
  for (const end = now() + ms; ; await sleep(every)) {
    const answer = await ask()
    if (answer || now() > end) return answer
  }
}
