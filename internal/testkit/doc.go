// Package testkit has what tests of several packages need: golden files, an environment, emulated AWS clients,
// listeners without sockets, and hostile inputs. Only tests may import it.
package testkit
