package api

import (
	"cmp"
	"fmt"
	"go/types"
	"slices"
	"strings"
)

// An Entry is one fact about an exported API. Two packages that agree on an
// entry's Subject and Detail agree for every program that uses that symbol.
type Entry struct {
	Subject string // what is described: "func Upgrade", "method (*Conn).Close"
	Detail  string // its type, and for a constant its value
}

// String returns the entry as one line of a description file.
func (e Entry) String() string { return e.Subject + ": " + e.Detail }

// Describe lists the exported API of pkg, sorted by subject.
//
// Parameter names are left out and aliases are followed, so that only what the
// type checker of a caller sees remains: interface{} and any are the same.
func Describe(pkg *types.Package) []Entry {
	d := describer{pkg: pkg}
	for _, name := range pkg.Scope().Names() {
		if obj := pkg.Scope().Lookup(name); obj.Exported() {
			d.object(obj)
		}
	}
	slices.SortFunc(d.entries, func(a, b Entry) int {
		return cmp.Compare(a.Subject, b.Subject)
	})
	return d.entries
}

type describer struct {
	pkg     *types.Package
	entries []Entry
}

func (d *describer) add(detail, subject string, args ...any) {
	d.entries = append(d.entries, Entry{fmt.Sprintf(subject, args...), detail})
}

func (d *describer) object(obj types.Object) {
	switch obj := obj.(type) {
	case *types.Const:
		d.add(d.typ(obj.Type())+" = "+obj.Val().ExactString(), "const %s", obj.Name())
	case *types.Var:
		d.add(d.typ(obj.Type()), "var %s", obj.Name())
	case *types.Func:
		d.add(d.typ(obj.Type()), "func %s", obj.Name())
	case *types.TypeName:
		d.typeName(obj)
	}
}

func (d *describer) typeName(obj *types.TypeName) {
	if obj.IsAlias() {
		d.add("= "+d.typ(obj.Type()), "type %s", obj.Name())
		return
	}
	t := obj.Type()
	if types.Comparable(t) {
		// A program may compare values of the type or use them as map keys.
		d.add("comparable", "property %s", obj.Name())
	}
	switch under := t.Underlying().(type) {
	case *types.Interface:
		// In full: a method more would break the types that implement it.
		d.add(d.typ(under), "type %s", obj.Name())
		return
	case *types.Struct:
		d.add("struct", "type %s", obj.Name())
		for field := range under.Fields() {
			if field.Exported() {
				d.add(d.typ(field.Type()), "field %s.%s", obj.Name(), field.Name())
			}
		}
	default:
		d.add(d.typ(under), "type %s", obj.Name())
	}
	// The method set of *T holds that of T. Both are listed, so that turning a
	// value receiver into a pointer receiver shows, and the reverse is allowed.
	d.methods(t, "method %s.%s", obj.Name())
	d.methods(types.NewPointer(t), "method (*%s).%s", obj.Name())
}

func (d *describer) methods(t types.Type, subject, name string) {
	for sel := range types.NewMethodSet(t).Methods() {
		if sel.Obj().Exported() {
			d.add(d.typ(sel.Type()), subject, name, sel.Obj().Name())
		}
	}
}

// typ renders t without parameter names. Types of the described package stand
// without a qualifier, all others with their import path.
func (d *describer) typ(t types.Type) string {
	switch t := types.Unalias(t).(type) {
	case *types.Pointer:
		return "*" + d.typ(t.Elem())
	case *types.Slice:
		return "[]" + d.typ(t.Elem())
	case *types.Array:
		return fmt.Sprintf("[%d]%s", t.Len(), d.typ(t.Elem()))
	case *types.Map:
		return "map[" + d.typ(t.Key()) + "]" + d.typ(t.Elem())
	case *types.Chan:
		arrow := map[types.ChanDir]string{
			types.SendRecv: "chan (", types.SendOnly: "chan<- (", types.RecvOnly: "<-chan (",
		}
		return arrow[t.Dir()] + d.typ(t.Elem()) + ")"
	case *types.Signature:
		return "func" + d.signature(t)
	case *types.Interface:
		return d.iface(t)
	default:
		return types.TypeString(t, func(p *types.Package) string {
			if p == d.pkg {
				return ""
			}
			return p.Path()
		})
	}
}

func (d *describer) signature(s *types.Signature) string {
	params := d.tuple(s.Params())
	if s.Variadic() {
		last := len(params) - 1
		params[last] = "..." + strings.TrimPrefix(params[last], "[]")
	}
	results := d.tuple(s.Results())
	out := "(" + strings.Join(params, ", ") + ")"
	switch len(results) {
	case 0:
		return out
	case 1:
		return out + " " + results[0]
	default:
		return out + " (" + strings.Join(results, ", ") + ")"
	}
}

func (d *describer) tuple(t *types.Tuple) []string {
	var out []string
	for v := range t.Variables() {
		out = append(out, d.typ(v.Type()))
	}
	return out
}

func (d *describer) iface(t *types.Interface) string {
	if t.Empty() {
		return "any"
	}
	var methods []string
	for m := range t.Methods() {
		methods = append(methods, m.Name()+d.signature(m.Signature()))
	}
	slices.Sort(methods)
	return "interface{ " + strings.Join(methods, "; ") + " }"
}
