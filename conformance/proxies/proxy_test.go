package proxies_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// proxy is one of the proxies that runs, with the configuration of this directory.
type proxy struct {
	*process
	t         testing.TB
	kind      string
	dir       string
	text      string // the configuration, as it runs
	port, tls string // of http and of https
}

// kinds are the proxies, with the file of their configuration, and what the port of
// the (first) server looks like there.
var kinds = map[string]struct{ file string }{
	"nginx":   {"nginx.conf"},
	"haproxy": {"haproxy.cfg"},
	"caddy":   {"Caddyfile"},
}

// everyProxy runs a test behind each of them.
func everyProxy(t *testing.T, test func(t *testing.T, kind string)) {
	for kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			test(t, kind)
		})
	}
}

// startProxy starts a proxy before servers, with changes of its configuration: old
// and new text, in turns.
func startProxy(t testing.TB, kind string, servers []string, changes ...string) *proxy {
	t.Helper()
	p := &proxy{t: t, kind: kind, port: freePort(t), tls: freePort(t)}
	p.dir = t.TempDir()
	text, err := os.ReadFile(kinds[kind].file)
	if err != nil {
		t.Fatal(err)
	}
	p.text = string(text)
	for i := 0; i < len(changes); i += 2 {
		p.replace(changes[i], changes[i+1])
	}
	p.text = strings.ReplaceAll(p.text, "cert.pem", shared.certificate)
	p.servers(servers)
	p.listen()
	if err := os.WriteFile(filepath.Join(p.dir, kinds[kind].file), []byte(p.text), 0o644); err != nil {
		t.Fatal(err)
	}
	p.start()
	return p
}

// replace changes the configuration, where it has the text.
func (p *proxy) replace(old, text string) {
	p.t.Helper()
	if !strings.Contains(p.text, old) {
		p.t.Fatalf("%s has no %q", kinds[p.kind].file, old)
	}
	p.text = strings.ReplaceAll(p.text, old, text)
}

// servers puts the addresses of the servers in.
func (p *proxy) servers(servers []string) {
	p.t.Helper()
	p.replace("127.0.0.1:8080", servers[0])
	if p.kind != "haproxy" {
		return
	}
	second := "server b 127.0.0.1:8081"
	if len(servers) > 1 {
		p.replace(second, "server b "+servers[1])
	} else {
		p.replace("\t"+second+"\n", "")
	}
}

// listen puts the ports in, and on the loopback interface alone; and what nginx
// writes into a directory of its own.
func (p *proxy) listen() {
	p.t.Helper()
	switch p.kind {
	case "nginx":
		p.replace("listen 8000", "listen 127.0.0.1:"+p.port)
		p.replace("listen 8443", "listen 127.0.0.1:"+p.tls)
		p.replace("worker_processes auto;", "worker_processes 1;")
		own := ""
		for _, name := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
			own += name + "_temp_path " + name + ";\n"
		}
		p.replace("access_log off;", "access_log off;\n"+own)
		if os.Getuid() == 0 {
			p.text = "user root;\n" + p.text
		}
	case "haproxy":
		p.replace("bind :8000", "bind 127.0.0.1:"+p.port)
		p.replace("bind :8443", "bind 127.0.0.1:"+p.tls)
	case "caddy":
		p.replace("http://:8000 {", "http://:"+p.port+" {\nbind 127.0.0.1")
		p.replace("https://:8443 {", "https://localhost:"+p.tls+" {\nbind 127.0.0.1")
	}
}

// start starts the proxy, for the first time or again, and waits until it forwards.
func (p *proxy) start() {
	p.t.Helper()
	switch p.kind {
	case "nginx":
		p.process = startProcess(p.t, p.dir, "nginx", "-e", "stderr", "-p", p.dir, "-c", filepath.Join(p.dir, "nginx.conf"),
			"-g", "daemon off; error_log stderr notice; pid "+filepath.Join(p.dir, "pid")+";")
	case "haproxy":
		p.process = startProcess(p.t, p.dir, "haproxy", "-db", "-f", "haproxy.cfg")
	case "caddy":
		p.process = startProcess(p.t, p.dir, "caddy", "run", "--config", "Caddyfile", "--adapter", "caddyfile")
	}
	ready(p.t, p.url()+"/readyz")
}

// host is the name and the port that clients use.
func (p *proxy) host() string { return "localhost:" + p.port }

func (p *proxy) url() string { return "http://" + p.host() }

// socket is a URL for WebSockets.
func (p *proxy) socket(path string) string { return "ws://" + p.host() + path }
