// Somebody who navigates fast: leaves and comes back, in bursts, until stopped; then is there.

export function fickle(client, topics, random) {
  const away = new Set()
  let timer
  const later = () => (timer = setTimeout(turn, random.chance(0.3) ? random.int(500, 3000) : random.int(0, 120)))
  const turn = () => {
    const topic = random.pick(topics)
    if (away.delete(topic)) client.enter(topic)
    else away.add(topic), client.leave(topic)
    later()
  }
  later()
  return () => {
    clearTimeout(timer)
    for (const topic of away) client.enter(topic)
    away.clear()
  }
}
