// Oracle answers, with the kubelet's own code, what the kubelet makes of pull
// secrets, registry keys and image names. JSON Lines in, JSON Lines out; the
// operations are listed in ../README.md. Error texts are never printed: they
// quote the bytes they choke on.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"sort"

	v1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/credentialprovider"
	"k8s.io/kubernetes/pkg/credentialprovider/secrets"
	"k8s.io/kubernetes/pkg/util/parsers"
)

type object = map[string]any

type request struct {
	Op      string   `json:"op"`
	Type    string   `json:"type"`
	DataKey string   `json:"data_key"` // default: the one that belongs to Type
	Data    []byte   `json:"data_base64"`
	Keys    []string `json:"keys"`
	Key     string   `json:"key"`
	Image   string   `json:"image"`
	Glob    string   `json:"glob"`
	Target  string   `json:"target"`
}

// A []byte is base64 in JSON, so that a value with any bytes gets through.
type entry struct {
	Key      string `json:"key"`
	Username []byte `json:"username_base64"`
	Password []byte `json:"password_base64"`
	Email    []byte `json:"email_base64"`
}

func decode(r request) object {
	key := r.DataKey
	if key == "" {
		key = map[v1.SecretType]string{
			v1.SecretTypeDockerConfigJson: v1.DockerConfigJsonKey,
			v1.SecretTypeDockercfg:        v1.DockerConfigKey,
		}[v1.SecretType(r.Type)]
	}
	secret := v1.Secret{Type: v1.SecretType(r.Type), Data: map[string][]byte{key: r.Data}}
	entries := []entry{}
	// The node's keyring comes back untouched when no secret counts.
	node := &credentialprovider.FakeKeyring{}
	keyring, err := secrets.MakeDockerKeyring([]v1.Secret{secret}, node)
	if err != nil || keyring == node {
		return object{"error": err != nil, "skipped": err == nil, "entries": entries}
	}
	// A keyring does not show its raw keys: decode again, into the same types.
	var config credentialprovider.DockerConfigJSON
	if secret.Type == v1.SecretTypeDockercfg {
		err = json.Unmarshal(r.Data, &config.Auths)
	} else {
		err = json.Unmarshal(r.Data, &config)
	}
	if err != nil {
		fail("two decodings of the same bytes differ")
	}
	for key, e := range config.Auths {
		entries = append(entries, entry{key, []byte(e.Username), []byte(e.Password), []byte(e.Email)})
	}
	sort.Slice(entries, func(i, j int) bool { return entries[i].Key < entries[j].Key })
	return object{"error": false, "skipped": false, "entries": entries}
}

// lookup gives each key a secret of its own, as if a pod listed them in this order.
func lookup(r request) object {
	var list []v1.Secret
	for i, key := range r.Keys {
		data, err := json.Marshal(credentialprovider.DockerConfig{key: {Username: fmt.Sprint("u", i)}})
		if err != nil {
			fail("cannot write a config")
		}
		list = append(list, v1.Secret{Type: v1.SecretTypeDockercfg, Data: map[string][]byte{v1.DockerConfigKey: data}})
	}
	matched := []string{}
	repository, _, _, parseErr := parsers.ParseImageName(r.Image)
	keyring, err := secrets.MakeDockerKeyring(list, &credentialprovider.BasicDockerKeyring{})
	if err != nil {
		fail("a written config does not decode")
	}
	if parseErr == nil {
		found, _ := keyring.Lookup(repository)
		for _, c := range found {
			matched = append(matched, c.Username)
		}
	}
	return object{"error": parseErr != nil, "matched": matched}
}

func match(r request) object {
	ok, err := credentialprovider.URLsMatchStr(r.Glob, r.Target)
	return object{"match": ok, "error": err != nil}
}

func parseImage(r request) object {
	repository, tag, digest, err := parsers.ParseImageName(r.Image)
	return object{"error": err != nil, "repository": repository, "tag": tag, "digest": digest}
}

// normalise reads the private index by reflection: no public call shows it.
// An error means that Add dropped the key.
func normalise(r request) object {
	keyring := &credentialprovider.BasicDockerKeyring{}
	keyring.Add(nil, credentialprovider.DockerConfig{r.Key: {}})
	index := reflect.ValueOf(keyring).Elem().FieldByName("index")
	if index.Len() == 0 {
		return object{"error": true, "key": "", "key_base64": ""}
	}
	// Percent escapes of the path are decoded: the bytes need not be UTF-8.
	stored := index.Index(0).String()
	return object{"error": false, "key": stored, "key_base64": []byte(stored)}
}

var operations = map[string]func(request) object{
	"decode": decode, "lookup": lookup, "match": match, "parse_image": parseImage, "normalise": normalise,
}

func fail(why string) {
	fmt.Fprintln(os.Stderr, "oracle:", why)
	os.Exit(2)
}

func main() {
	// A dropped key is logged as an error, with the key: the zero logger says nothing.
	klog.SetLogger(klog.Logger{})
	in, out := bufio.NewReaderSize(os.Stdin, 1<<20), bufio.NewWriterSize(os.Stdout, 1<<20)
	defer out.Flush()
	answers := json.NewEncoder(out)
	for n := 1; ; n++ {
		line, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) && len(line) == 0 {
			return
		}
		var r request
		if json.Unmarshal(line, &r) != nil || operations[r.Op] == nil {
			fail(fmt.Sprintf("line %d is no request", n))
		}
		if answers.Encode(operations[r.Op](r)) != nil {
			fail("cannot write")
		}
		// At once when nobody has asked more, so that question and answer may alternate.
		if in.Buffered() == 0 && out.Flush() != nil {
			fail("cannot write")
		}
	}
}
