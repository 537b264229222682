package starling.device;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/** Arguments by name; those of records stand beside the others. */
final class CallArguments {
  final Map<String, Object> of = new LinkedHashMap<>();

  CallArguments with(String name, Object value) {
    of.put(name, value);
    return this;
  }

  Tensor t(String name) {
    return (Tensor) of.get(name);
  }

  int n(String name) {
    return (int) of.get(name);
  }

  float f(String name) {
    return (float) of.get(name);
  }

  Kv kv(String layer) {
    return new Kv(t("k" + layer), t("v" + layer), segments());
  }

  Segments segments() {
    Tensor table = t("segments");
    return table == null ? null : new Segments(table, n("rows"), n("keys"));
  }

  AttentionInputs inputs() {
    return new AttentionInputs(t("q"), kv(""), new Mask(true, t("hidden")), f("scale"));
  }

  Candidates candidates() {
    return new Candidates(n("at"), n("count"), t("index"));
  }

  Span span() {
    return (Span) of.get("span");
  }

  Norm norm() {
    return new Norm(t("weight"), t("bias"), f("eps"));
  }

  @SuppressWarnings("unchecked")
  List<Cut> cuts() {
    return of.containsKey("cuts")
        ? (List<Cut>) of.get("cuts")
        : List.of(new Cut(n("at"), n("count"), t("keep"), t("candidates")));
  }

  RowMapping map(String rows, List<Cut> cuts) {
    var rule = (PositionRule) of.get("rule");
    return new RowMapping(t(rows), t("positionsOut"), t("sources"), t("positionsIn"), cuts, rule);
  }

  /** Of what the same call keeps, unless other cuts are named. */
  RowMapping mapBehind() {
    var own = new Cut(2, 5, t("keep"), t("chosenFrom"));
    return map("mapped", of.containsKey("cuts") ? cuts() : List.of(own));
  }

  List<Tensor> all(String... names) {
    return Stream.of(names).map(this::t).filter(t -> t != null).toList();
  }

  List<String> tensors() {
    return of.keySet().stream().filter(name -> of.get(name) instanceof Tensor).toList();
  }
}
