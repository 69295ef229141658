package status

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"html/template"
	"net/http"
	"strings"

	"go.uber.org/zap"

	"kinesis-alerter/internal/plain"
)

//go:embed status.html
var statusHTML string

//go:embed status.css
var statusCSS string

//go:embed status.js
var statusJS string

// page serves a Status to browsers, terminals and programs. A page view reads memory and calls no service.
type page struct {
	status func() Status
	page   *template.Template
	policy string
	log    *zap.Logger
}

// NewPage returns the page of a status, rendered again for each request.
func NewPage(status func() Status, log *zap.Logger) *page {
	known := terms()
	return &page{
		status: status, log: log,
		page: template.Must(template.New("status").Funcs(template.FuncMap{
			"grouped": grouped,
			"term":    func(key string) *term { return known[key] },
		}).Parse(statusHTML)),
		// The page is all there is: nothing is loaded, it fetches only itself, it cannot be framed, and no script or
		// style runs except the ones that were compiled in, whatever the name of a rule contains.
		policy: strings.Join([]string{
			"default-src 'none'", "script-src " + HashSource(statusJS), "style-src " + HashSource(statusCSS),
			"img-src data:",
			"connect-src 'self'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
		}, "; "),
	}
}

// HashSource names an inline script or style in a Content-Security-Policy.
func HashSource(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// Index is the status page: HTML for browsers, JSON on request, and plain text for all others, such as curl.
func (p *page) Index(w http.ResponseWriter, r *http.Request) {
	accept := r.Header.Get("Accept")
	switch {
	case strings.Contains(accept, "text/html"):
		p.HTML(w, r)
	case strings.Contains(accept, "application/json"):
		p.Json(w, r)
	default:
		st := p.status()
		p.answer(w, r, "text/plain; charset=utf-8", []byte(Text(&st)))
	}
}

// HTML serves a request with the page for people.
func (p *page) HTML(w http.ResponseWriter, r *http.Request) {
	st := p.status()
	var b bytes.Buffer
	if err := p.page.Execute(&b, NewView(&st)); err != nil {
		p.log.Error("the status page cannot be rendered", zap.Error(err))
		http.Error(w, "the status page cannot be rendered; /api/v1/status has its data", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Security-Policy", p.policy)
	p.answer(w, r, "text/html; charset=utf-8", plain.YAML(b.Bytes()))
}

// Json is /api/v1/status.
func (p *page) Json(w http.ResponseWriter, r *http.Request) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(p.status()); err != nil {
		p.log.Error("the status cannot be written", zap.Error(err))
		http.Error(w, "the status cannot be written", http.StatusInternalServerError)
		return
	}
	p.answer(w, r, "application/json", plain.JSON(b.Bytes()))
}

// compressFrom is from what size on an answer is compressed: a page of a thousand shards comes down to a tenth, which
// matters through kubectl port-forward.
const compressFrom = 16 << 10

func (*page) answer(w http.ResponseWriter, r *http.Request, contentType string, body []byte) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Cache-Control", "no-store")
	h.Set("Vary", "Accept, Accept-Encoding")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	if len(body) < compressFrom || !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		_, _ = w.Write(body)
		return
	}
	h.Set("Content-Encoding", "gzip")
	z := gzip.NewWriter(w)
	_, _ = z.Write(body)
	_ = z.Close()
}
