/**
 * A transformer runtime for LLaVA-style models that drops visual tokens by attention. {@code
 * starling} is the public face; {@code starling.device} has the operators for programs that use
 * single ones; {@code starling.prune} the pruning methods.
 */
module starling {
  requires com.fasterxml.jackson.databind;
  requires java.desktop;
  requires static info.picocli;
  requires static io.helidon.webserver;
  requires static io.prometheus.metrics.config;
  requires static io.prometheus.metrics.core;
  requires static io.prometheus.metrics.model;
  requires static io.prometheus.writer.text;
  requires static java.logging;
  requires static jcublas;
  requires static jcuda;
  requires static commons.math3;
  requires static jdk.incubator.vector;
  requires static langchain4j.core;
  requires static me.tongfei.progressbar;

  exports starling;
  exports starling.bench;
  exports starling.checkpoint;
  exports starling.cpu;
  exports starling.cuda;
  exports starling.device;
  exports starling.image;
  exports starling.input;
  exports starling.jcuda;
  exports starling.langchain4j;
  exports starling.model;
  exports starling.model.llava;
  exports starling.model.next;
  exports starling.model.qwen;
  exports starling.prune;
  exports starling.server;
  exports starling.text;

  uses starling.CompanionJar;
  uses starling.prune.MethodProvider;

  opens starling to
      com.fasterxml.jackson.databind;
  opens starling.bench to
      com.fasterxml.jackson.databind;
  opens starling.cli to
      com.fasterxml.jackson.databind,
      info.picocli;
}
