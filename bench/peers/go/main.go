// The tasks of ../../tasks.ts on net/http: TASK PORT FOLDER [CERT KEY].
package main

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"syscall"
)

type entry struct {
	Available bool     `json:"available"`
	ID        int      `json:"id"`
	Name      string   `json:"name"`
	Price     int      `json:"price"`
	Tags      []string `json:"tags"`
}

type page struct {
	ID    int     `json:"id"`
	Items []entry `json:"items"`
	Next  string  `json:"next"`
	Title string  `json:"title"`
	Total int     `json:"total"`
}

const (
	hello     = "Hello, world!\n"
	plain     = "text/plain; charset=utf-8"
	gzipLevel = 4
	pieces    = 100
)

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func content(folder, file string) []byte {
	bytes, err := os.ReadFile(filepath.Join(folder, file))
	must(err)
	return bytes
}

// A whole response whose length is known.
func whole(w http.ResponseWriter, kind string, body []byte) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.Write(body)
}

func greet(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", plain)
	io.WriteString(w, hello)
}

func echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, "unreadable", http.StatusBadRequest)
		return
	}
	whole(w, r.Header.Get("Content-Type"), body)
}

func handler(task, folder string) http.HandlerFunc {
	switch task {
	case "hello", "close":
		return greet
	case "headers":
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", plain)
			w.Header().Set("Cache-Control", "no-cache")
			fmt.Fprintf(w, "%s %s\n%s\n%s\n", r.URL.Path, r.URL.RawQuery, r.Header.Get("User-Agent"), r.Header.Get("Accept-Language"))
		}
	case "json":
		var item page
		must(json.Unmarshal(content(folder, "item.json"), &item))
		return func(w http.ResponseWriter, r *http.Request) {
			body, err := json.Marshal(&item)
			must(err)
			whole(w, "application/json; charset=utf-8", body)
		}
	case "echo":
		return echo
	case "mix":
		return func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet {
				greet(w, r)
			} else {
				echo(w, r)
			}
		}
	case "gzip":
		text := content(folder, "text-20k.txt")
		compressors := sync.Pool{New: func() any {
			compressor, err := gzip.NewWriterLevel(io.Discard, gzipLevel)
			must(err)
			return compressor
		}}
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", plain)
			w.Header().Set("Content-Encoding", "gzip")
			compressor := compressors.Get().(*gzip.Writer)
			compressor.Reset(w)
			compressor.Write(text)
			compressor.Close()
			compressors.Put(compressor)
		}
	case "stream":
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", plain)
			for index := 0; index < pieces; index++ {
				fmt.Fprintf(w, "piece %d of a response that comes in pieces, one line each of them\n", index)
			}
		}
	case "download":
		bytes := content(folder, "bytes-10m.bin")
		return func(w http.ResponseWriter, r *http.Request) { whole(w, "application/octet-stream", bytes) }
	case "file":
		files := http.FileServer(http.Dir(folder))
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "no-cache")
			files.ServeHTTP(w, r)
		}
	case "text":
		text := content(folder, "text-1m.txt")
		return func(w http.ResponseWriter, r *http.Request) { whole(w, plain, text) }
	case "upload":
		return func(w http.ResponseWriter, r *http.Request) {
			size, err := io.Copy(io.Discard, r.Body)
			if err != nil {
				http.Error(w, "unreadable", http.StatusBadRequest)
				return
			}
			w.Header().Set("Content-Type", plain)
			fmt.Fprintf(w, "%d\n", size)
		}
	}
	log.Fatal("unknown task ", task)
	return nil
}

func main() {
	if len(os.Args) == 2 && os.Args[1] == "version" {
		fmt.Println(runtime.Version())
		return
	}
	task, port, folder := os.Args[1], os.Args[2], os.Args[3]
	collect := make(chan os.Signal, 1)
	signal.Notify(collect, syscall.SIGUSR2)
	go func() {
		for range collect {
			debug.FreeOSMemory()
		}
	}()
	server := &http.Server{Addr: "127.0.0.1:" + port, Handler: handler(task, folder)}
	if len(os.Args) > 5 {
		must(server.ListenAndServeTLS(os.Args[4], os.Args[5]))
	}
	must(server.ListenAndServe())
}
