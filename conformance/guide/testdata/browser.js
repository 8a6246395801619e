const scheme = location.protocol === "https:" ? "wss:" : "ws:"
const socket = new WebSocket(`${scheme}//${location.host}/chat/socket`)

socket.addEventListener("message", (event) => {
  console.log("socket message", event.data)
})

socket.addEventListener("open", () => {
  socket.send("hello")
})
