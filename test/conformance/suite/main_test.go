// Package suite is the door to the upstream Gateway API conformance suite: it runs it against the cluster of KUBECONFIG.
// Every choice is one of the suite's own flags; the caller (../conformance.test.ts) makes them.
package suite

import (
	"flag"
	"fmt"
	"slices"
	"testing"

	"sigs.k8s.io/gateway-api/conformance"
	"sigs.k8s.io/gateway-api/conformance/tests"
)

var show = flag.Bool("list", false, "print the tests with the features they need instead of running them")

func TestConformance(t *testing.T) {
	if !*show {
		conformance.RunConformance(t)
		return
	}
	var names []string
	for _, each := range tests.ConformanceTests {
		names = append(names, fmt.Sprintf("%s %v", each.ShortName, each.Features))
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Println(name)
	}
}
