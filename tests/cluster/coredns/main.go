// Command coredns is the DNS server of a test cluster: CoreDNS with the plugins that a cluster uses, and no others,
// because those for the clouds are most of its size and its build.
package main

import (
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"
	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/forward"
	_ "github.com/coredns/coredns/plugin/health"
	_ "github.com/coredns/coredns/plugin/hosts"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/log"
	_ "github.com/coredns/coredns/plugin/ready"
	_ "github.com/coredns/coredns/plugin/reload"
	_ "github.com/coredns/coredns/plugin/template"
)

func main() {
	// The order in which a query passes the plugins, whatever their order in the Corefile. Templates come after what is
	// known for certain, so that one of them can say of all other names that there is none.
	dnsserver.Directives = []string{
		"reload", "errors", "log", "health", "ready", "cache", "hosts", "kubernetes", "template", "forward",
	}
	coremain.Run()
}
