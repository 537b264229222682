repositories { mavenLocal(); mavenCentral() }
dependencies {
  implementation("io.github.starling-vlm:starling:0.1.0")
  runtimeOnly("io.github.starling-vlm:starling:0.1.0:demo")
  runtimeOnly("io.github.starling-vlm:starling:0.1.0:linux-x86_64")
}
