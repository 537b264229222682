repositories { mavenLocal() }
dependencies {
  implementation("io.github.starling-vlm:starling:0.1.0")
  runtimeOnly("io.github.starling-vlm:starling:0.1.0:demo")
}
